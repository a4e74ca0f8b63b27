#!/usr/bin/env python3
"""An engine behind the published library of the Wyoming protocol: it speaks by espeak-ng, and understands how long it
heard somebody. Its argument is its port."""

import asyncio
import io
import subprocess
import sys
import wave

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.server import AsyncEventHandler, AsyncServer
from wyoming.tts import Synthesize


class Engine(AsyncEventHandler):
    heard = None

    async def handle_event(self, event):
        if Synthesize.is_type(event.type):
            await self.speak(Synthesize.from_event(event))
        elif Transcribe.is_type(event.type):
            self.language = Transcribe.from_event(event).language
        elif AudioStart.is_type(event.type):
            self.heard = AudioStart.from_event(event)
            self.bytes = 0
        elif AudioChunk.is_type(event.type):
            self.bytes += len(AudioChunk.from_event(event).audio)
        elif AudioStop.is_type(event.type):
            seconds = self.bytes / self.heard.rate / self.heard.width / self.heard.channels
            await self.write_event(Transcript(text=f"{seconds:.1f} seconds in {self.language}").event())
        return True

    async def speak(self, request):
        voice = request.voice.name or request.voice.language
        spoken = subprocess.run(["espeak-ng", "--stdout", "-v", voice], input=request.text.encode(), capture_output=True)
        if spoken.returncode:
            await self.write_event(Error(text=voice, code="VoiceNotFound").event())
            return
        # espeak-ng doesn't know the length of what it writes to a pipe.
        with wave.open(io.BytesIO(spoken.stdout)) as sound:
            form = dict(rate=sound.getframerate(), width=sound.getsampwidth(), channels=sound.getnchannels())
        samples = spoken.stdout[44:]
        await self.write_event(AudioStart(timestamp=0, **form).event())
        for at in range(0, len(samples), 2048):
            await self.write_event(AudioChunk(audio=samples[at : at + 2048], timestamp=at, **form).event())
        await self.write_event(AudioStop(timestamp=len(samples)).event())


asyncio.run(AsyncServer.from_uri(f"tcp://127.0.0.1:{sys.argv[1]}").run(Engine))
