#!/usr/bin/env python3
"""Ten rounds of the subtraction game as an AGI program in Python, with pyst2."""

from random import randint

from asterisk.agi import AGI, AGIAppError


def main():
    agi = AGI()
    score = 0
    agi.answer()
    agi.stream_file("subtraction-game-welcome")
    for _ in range(10):
        big = randint(0, 21) + 10
        small = randint(0, big)
        agi.say_number(big)
        agi.stream_file("subtraction-game-minus")
        agi.say_number(small)
        digits = agi.get_data("subtraction-game-equals", 5000, 2)
        if digits.isdigit() and int(digits) == big - small:
            score += 1
            agi.stream_file("subtraction-game-good")
        else:
            agi.stream_file("subtraction-game-wrong")
            agi.say_number(big - small)
    agi.say_number(score)


if __name__ == "__main__":
    try:
        main()
    except AGIAppError:  # a result of -1: hung up
        pass
