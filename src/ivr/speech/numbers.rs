//! The names of the numbers below a thousand in several languages.

/// How one language counts.
pub(super) struct Counting {
    pub code: &'static str,
    /// The digits from 0, as an engine is told to expect them.
    pub digits: [&'static str; 10],
    /// Other words for digits, such as `oh`.
    pub other_digits: &'static [(&'static str, u16)],
    /// What begins like a digit, and is none.
    pub no_digits: &'static [&'static str],
    /// Returns the names of a number from 10 to 999, the usual one first.
    pub names: fn(u16) -> Vec<String>,
    pub thousand: &'static [&'static str],
    /// Whether thousands are written together with what is counted: `zweitausend`.
    pub joins_thousands: bool,
    /// Words between the thousands or hundreds and the rest.
    pub and: &'static [&'static str],
    /// Words that repeat the digit after them.
    pub double: &'static [&'static str],
    pub triple: &'static [&'static str],
}

pub(super) static COUNTING: [Counting; 5] = [
    Counting {
        code: "en",
        digits: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        other_digits: &[("oh", 0), ("o", 0), ("nought", 0), ("nil", 0), ("niner", 9)],
        no_digits: &["o'clock"],
        names: english,
        thousand: &["thousand"],
        joins_thousands: false,
        and: &["and"],
        double: &["double"],
        triple: &["triple", "treble"],
    },
    Counting {
        code: "de",
        digits: ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
        other_digits: &[("zwo", 2), ("ein", 1), ("eine", 1)],
        no_digits: &[],
        names: german,
        thousand: &["tausend"],
        joins_thousands: true,
        and: &["und"],
        double: &["doppel", "zweimal", "zweimal die"],
        triple: &["dreimal", "dreimal die"],
    },
    Counting {
        code: "es",
        digits: ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
        other_digits: &[("un", 1), ("una", 1)],
        no_digits: &[],
        names: spanish,
        thousand: &["mil"],
        joins_thousands: false,
        and: &["y"],
        double: &["doble"],
        triple: &["triple"],
    },
    Counting {
        code: "fr",
        digits: ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
        other_digits: &[("une", 1)],
        no_digits: &[],
        names: french,
        thousand: &["mille"],
        joins_thousands: false,
        and: &["et"],
        double: &["double"],
        triple: &["triple"],
    },
    Counting {
        code: "it",
        digits: ["zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"],
        other_digits: &[("un", 1), ("una", 1)],
        no_digits: &[],
        names: italian,
        thousand: &["mille", "mila"],
        joins_thousands: true,
        and: &["e"],
        double: &["doppio"],
        triple: &["triplo"],
    },
];

fn digit(language: usize, number: u16) -> &'static str {
    COUNTING[language].digits[usize::from(number % 10)]
}

fn english(number: u16) -> Vec<String> {
    const TEENS: [&str; 10] =
        ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    match (number, number % 10, number % 100) {
        (0..10, ..) => vec![digit(0, number).to_owned()],
        (10..20, ..) => vec![TEENS[usize::from(number - 10)].to_owned()],
        (20..100, 0, _) => vec![TENS[usize::from(number / 10 - 2)].to_owned()],
        (20..100, unit, _) => vec![format!("{} {}", TENS[usize::from(number / 10 - 2)], digit(0, unit))],
        (_, _, rest) => {
            let hundreds = digit(0, number / 100);
            let several = [Some(hundreds), (number < 200).then_some("a")].into_iter().flatten();
            let name = |hundreds: &str| match rest {
                0 => vec![format!("{hundreds} hundred")],
                rest => {
                    let rest = &english(rest)[0];
                    vec![format!("{hundreds} hundred and {rest}"), format!("{hundreds} hundred {rest}")]
                }
            };
            several.flat_map(name).collect()
        }
    }
}

fn german(number: u16) -> Vec<String> {
    const TEENS: [&str; 10] =
        ["zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn"];
    const TENS: [&str; 8] = ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"];
    let unit = |unit: u16| if unit == 1 { "ein" } else { digit(1, unit) };
    match (number, number % 10, number % 100) {
        (0..10, ..) => vec![digit(1, number).to_owned()],
        (10..20, ..) => vec![TEENS[usize::from(number - 10)].to_owned()],
        (20..100, 0, _) => vec![TENS[usize::from(number / 10 - 2)].to_owned()],
        (20..100, one, _) => {
            let ten = TENS[usize::from(number / 10 - 2)];
            let mut names = vec![format!("{}und{ten}", unit(one)), format!("{} und {ten}", unit(one))];
            names.extend((one == 2).then(|| format!("zwound{ten}")));
            names
        }
        (_, _, rest) => {
            let hundreds = unit(number / 100);
            let several = [Some(hundreds), (number < 200).then_some("")].into_iter().flatten();
            let name = |hundreds: &str| match rest {
                0 => vec![format!("{hundreds}hundert")],
                rest => {
                    let rest = &german(rest)[0];
                    vec![
                        format!("{hundreds}hundert{rest}"),
                        format!("{hundreds}hundertund{rest}"),
                        format!("{hundreds}hundert {rest}"),
                    ]
                }
            };
            several.flat_map(name).collect()
        }
    }
}

fn spanish(number: u16) -> Vec<String> {
    const TO_29: [&str; 20] = [
        "diez",
        "once",
        "doce",
        "trece",
        "catorce",
        "quince",
        "dieciséis",
        "diecisiete",
        "dieciocho",
        "diecinueve",
        "veinte",
        "veintiuno",
        "veintidós",
        "veintitrés",
        "veinticuatro",
        "veinticinco",
        "veintiséis",
        "veintisiete",
        "veintiocho",
        "veintinueve",
    ];
    const TENS: [&str; 7] = ["treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"];
    const HUNDREDS: [&str; 9] = [
        "ciento",
        "doscientos",
        "trescientos",
        "cuatrocientos",
        "quinientos",
        "seiscientos",
        "setecientos",
        "ochocientos",
        "novecientos",
    ];
    match (number, number % 10, number % 100) {
        (0..10, ..) => vec![digit(2, number).to_owned()],
        (10..30, ..) => vec![TO_29[usize::from(number - 10)].to_owned()],
        (30..100, 0, _) => vec![TENS[usize::from(number / 10 - 3)].to_owned()],
        (30..100, unit, _) => vec![format!("{} y {}", TENS[usize::from(number / 10 - 3)], digit(2, unit))],
        (100, ..) => vec!["cien".to_owned(), "ciento".to_owned()],
        (_, _, rest) => {
            let hundreds = HUNDREDS[usize::from(number / 100 - 1)];
            vec![if rest == 0 { hundreds.to_owned() } else { format!("{hundreds} {}", spanish(rest)[0]) }]
        }
    }
}

fn french(number: u16) -> Vec<String> {
    const TEENS: [&str; 7] = ["dix", "onze", "douze", "treize", "quatorze", "quinze", "seize"];
    const TENS: [&str; 5] = ["vingt", "trente", "quarante", "cinquante", "soixante"];
    // What Belgians and the Swiss say.
    const OTHER_TENS: [&[&str]; 3] = [&["septante"], &["huitante", "octante"], &["nonante"]];
    let unit = |number: u16| digit(3, number);
    let with_unit = |ten: &str, one: u16| match one {
        0 => vec![ten.to_owned()],
        1 => vec![format!("{ten} et un"), format!("{ten} un"), format!("{ten} et une")],
        one => vec![format!("{ten} {}", unit(one))],
    };
    match (number, number % 10, number % 100) {
        (0..10, ..) => vec![unit(number).to_owned()],
        (10..17, ..) => vec![TEENS[usize::from(number - 10)].to_owned()],
        (17..20, one, _) => vec![format!("dix {}", unit(one))],
        (20..70, one, _) => with_unit(TENS[usize::from(number / 10 - 2)], one),
        (70..100, one, _) => {
            let mut names = match number {
                71 => vec!["soixante et onze".to_owned(), "soixante onze".to_owned()],
                70..80 => vec![format!("soixante {}", french(number - 60)[0])],
                80 => vec!["quatre vingts".to_owned(), "quatre vingt".to_owned()],
                _ => vec![format!("quatre vingt {}", french(number - 80)[0])],
            };
            names.extend(OTHER_TENS[usize::from(number / 10 - 7)].iter().flat_map(|ten| with_unit(ten, one)));
            names
        }
        (_, _, rest) => {
            let hundreds = number / 100;
            let name = |ending: &str| match hundreds {
                1 => format!("cent{ending}"),
                hundreds => format!("{} cent{ending}", unit(hundreds)),
            };
            match rest {
                0 => vec![name(""), name("s")],
                rest => french(rest).into_iter().map(|rest| format!("{} {rest}", name(""))).collect(),
            }
        }
    }
}

fn italian(number: u16) -> Vec<String> {
    const TEENS: [&str; 10] = [
        "dieci",
        "undici",
        "dodici",
        "tredici",
        "quattordici",
        "quindici",
        "sedici",
        "diciassette",
        "diciotto",
        "diciannove",
    ];
    const TENS: [&str; 8] = ["venti", "trenta", "quaranta", "cinquanta", "sessanta", "settanta", "ottanta", "novanta"];
    match (number, number % 10, number % 100) {
        (0..10, ..) => vec![digit(4, number).to_owned()],
        (10..20, ..) => vec![TEENS[usize::from(number - 10)].to_owned()],
        (20..100, one, _) => {
            let ten = TENS[usize::from(number / 10 - 2)];
            match one {
                0 => vec![ten.to_owned()],
                // The last vowel is dropped: `ventuno`, `ventotto`.
                1 | 8 => vec![format!("{}{}", &ten[..ten.len() - 1], digit(4, one))],
                one => vec![format!("{ten}{}", digit(4, one))],
            }
        }
        (_, _, rest) => {
            let hundreds = if number < 200 { String::new() } else { digit(4, number / 100).to_owned() };
            match rest {
                0 => vec![format!("{hundreds}cento")],
                rest => {
                    let rest = &italian(rest)[0];
                    let mut names = vec![format!("{hundreds}cento{rest}"), format!("{hundreds}cento {rest}")];
                    names.extend(rest.starts_with('o').then(|| format!("{hundreds}cent{rest}")));
                    names
                }
            }
        }
    }
}
