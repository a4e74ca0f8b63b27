//! Yes and no.

use super::base;
use super::words::find;

/// Words of one language. The first of each kind are those that an engine is told to expect: more would cost accuracy.
struct Language {
    code: &'static str,
    yes: &'static [&'static str],
    no: &'static [&'static str],
    /// What contains words of the others, and means neither.
    neither: &'static [&'static str],
}

const fn language(code: &'static str, yes: &'static [&'static str], no: &'static [&'static str]) -> Language {
    Language { code, yes, no, neither: &[] }
}

impl Language {
    const fn neither(self, neither: &'static [&'static str]) -> Self {
        Self { neither, ..self }
    }
}

static LANGUAGES: &[Language] = &[
    language(
        "en",
        &[
            "yes",
            "yeah",
            "yep",
            "yup",
            "yes please",
            "sure",
            "of course",
            "correct",
            "that's correct",
            "right",
            "that's right",
            "okay",
            "ok",
            "absolutely",
            "certainly",
            "definitely",
            "no problem",
            "why not",
        ],
        &[
            "no",
            "nope",
            "nah",
            "no thanks",
            "no thank you",
            "not really",
            "incorrect",
            "wrong",
            "not correct",
            "not right",
            "that's not correct",
            "that's not right",
            "never",
            "not okay",
        ],
    )
    .neither(&["not sure", "I don't know"]),
    language(
        "de",
        &[
            "ja",
            "jawohl",
            "jo",
            "ja bitte",
            "genau",
            "richtig",
            "stimmt",
            "korrekt",
            "klar",
            "natürlich",
            "sicher",
            "gerne",
            "gern",
            "okay",
            "ok",
            "in Ordnung",
            "kein Problem",
            "warum nicht",
        ],
        &[
            "nein",
            "nee",
            "nö",
            "nein danke",
            "falsch",
            "nicht richtig",
            "stimmt nicht",
            "das stimmt nicht",
            "nicht",
            "auf keinen Fall",
            "lieber nicht",
        ],
    )
    .neither(&["weiß nicht", "nicht sicher", "ich weiß es nicht"]),
    language(
        "es",
        &[
            "sí",
            "sí por favor",
            "claro",
            "por supuesto",
            "correcto",
            "exacto",
            "vale",
            "de acuerdo",
            "bueno",
            "cómo no",
            "por qué no",
            "no hay problema",
        ],
        &["no", "no gracias", "incorrecto", "no es correcto", "para nada", "nunca", "de ninguna manera"],
    )
    .neither(&["no sé", "no lo sé", "no estoy seguro", "no estoy segura"]),
    language(
        "fr",
        &[
            "oui",
            "ouais",
            "oui s'il vous plaît",
            "d'accord",
            "bien sûr",
            "exact",
            "exactement",
            "c'est ça",
            "correct",
            "volontiers",
            "ok",
            "pourquoi pas",
            "pas de problème",
            "si",
        ],
        &[
            "non",
            "non merci",
            "pas du tout",
            "incorrect",
            "faux",
            "ce n'est pas ça",
            "ce n'est pas correct",
            "jamais",
            "pas d'accord",
        ],
    )
    .neither(&["pas sûr", "pas sûre", "pas exactement"]),
    language(
        "it",
        &[
            "sì",
            "sì grazie",
            "certo",
            "certamente",
            "esatto",
            "giusto",
            "corretto",
            "va bene",
            "d'accordo",
            "ok",
            "perché no",
            "nessun problema",
        ],
        &["no", "no grazie", "sbagliato", "non è corretto", "non è giusto", "non va bene", "per niente", "mai"],
    )
    .neither(&["non so", "non lo so"]),
    language(
        "pt",
        &["sim", "claro", "certo", "correto", "isso", "está bem", "com certeza", "ok"],
        &["não", "não obrigado", "não obrigada", "errado", "incorreto", "nunca"],
    ),
    language(
        "nl",
        &["ja", "jawel", "ja graag", "graag", "klopt", "dat klopt", "juist", "correct", "goed", "oké", "prima"],
        &["nee", "neen", "nee dank je", "nee bedankt", "fout", "onjuist", "klopt niet", "dat klopt niet", "niet goed"],
    ),
    language(
        "sv",
        &["ja", "jo", "ja tack", "javisst", "absolut", "stämmer", "det stämmer", "rätt", "okej"],
        &["nej", "nej tack", "fel", "inte rätt", "stämmer inte", "det stämmer inte"],
    ),
    language(
        "da",
        &["ja", "jo", "ja tak", "rigtigt", "det er rigtigt", "okay"],
        &["nej", "nej tak", "forkert", "ikke rigtigt"],
    ),
    language(
        "no",
        &["ja", "jo", "ja takk", "riktig", "det stemmer", "ok"],
        &["nei", "nei takk", "feil", "ikke riktig", "stemmer ikke"],
    ),
    language("fi", &["kyllä", "joo", "juu", "oikein", "selvä"], &["ei", "ei kiitos", "väärin", "ei oikein"]),
    language(
        "pl",
        &["tak", "tak proszę", "zgadza się", "dobrze", "oczywiście", "jasne"],
        &["nie", "nie dziękuję", "nie zgadza się", "źle"],
    ),
    language("cs", &["ano", "jo", "jasně", "správně", "souhlasím"], &["ne", "ne děkuji", "špatně", "nesouhlasím"]),
    language("sk", &["áno", "jasné", "správne", "súhlasím"], &["nie", "nie ďakujem", "nesprávne"]),
    language("hu", &["igen", "persze", "helyes", "rendben"], &["nem", "nem köszönöm", "nem helyes"]),
    language("ro", &["da", "sigur", "corect", "bine"], &["nu", "nu mulțumesc", "greșit", "incorect"]),
    language("tr", &["evet", "tabii", "doğru", "tamam"], &["hayır", "yanlış", "istemiyorum"]),
    language("ru", &["да", "конечно", "верно", "правильно", "хорошо"], &["нет", "неверно", "неправильно", "не надо"]),
    language("uk", &["так", "звичайно", "правильно", "добре"], &["ні", "неправильно", "не треба"]),
    language("el", &["ναι", "σωστά", "βέβαια", "εντάξει"], &["όχι", "λάθος"]),
    language("ja", &["はい", "ええ", "そうです"], &["いいえ", "いえ", "違います"]),
    language("zh", &["是", "是的", "对", "好", "好的"], &["不是", "不", "不对", "不好", "没有"]),
];

fn of(code: &str) -> Option<&'static Language> {
    let code = match base(code) {
        // Bokmål and Nynorsk.
        code if code == "nb" || code == "nn" => "no".to_owned(),
        code => code,
    };
    LANGUAGES.iter().find(|language| language.code == code)
}

/// Returns the words for yes and no that an engine is to expect; `None` if the language isn't known.
pub(in crate::ivr) fn expected_yes_no(language: &str) -> Option<[&'static str; 2]> {
    let Language { yes, no, .. } = of(language)?;
    Some([yes.first()?, no.first()?])
}

/// Returns whether somebody said yes or no.
pub(in crate::ivr) fn yes_or_no(heard: &str, language: &str) -> Option<bool> {
    let Language { yes, no, neither, .. } = of(language)?;
    let words: Vec<String> = [*yes, *no, *neither].concat().into_iter().map(str::to_owned).collect();
    find(heard, &words, language).filter(|at| *at < yes.len() + no.len()).map(|at| at < yes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_are_understood_in_the_language_of_the_call() {
        for (language, heard, expected) in [
            ("en", "Yes, please.", Some(true)),
            ("en_GB", "that's not right", Some(false)),
            ("en", "no no, that's correct", Some(true)),
            ("en", "no problem", Some(true)),
            ("en", "I don't know", None),
            ("en", "I am not sure", None),
            ("de", "weiß nicht", None),
            ("en", "guess", None),
            ("de_AT", "Nö", Some(false)),
            ("de", "das stimmt nicht", Some(false)),
            ("de", "ja gerne", Some(true)),
            ("es", "Si", Some(true)),
            ("fr", "oui, s'il vous plait", Some(true)),
            ("it", "Sì", Some(true)),
            ("pt_BR", "nao", Some(false)),
            ("nb", "ja takk", Some(true)),
            ("zh", "不是", Some(false)),
            ("ja", "はい、お願いします", Some(true)),
            ("tlh", "HIja'", None),
        ] {
            assert_eq!(yes_or_no(heard, language), expected, "{heard} in {language}");
        }
        assert_eq!(expected_yes_no("de_AT"), Some(["ja", "nein"]));
        assert_eq!(expected_yes_no("tlh"), None);
    }

    #[test]
    fn no_word_means_both() {
        for Language { code, yes, no, neither } in LANGUAGES {
            let all: Vec<String> = [*yes, *no, *neither].concat().into_iter().map(str::to_owned).collect();
            for (at, word) in all.iter().enumerate() {
                let found = find(word, &all, code).unwrap();
                let kind = |at: usize| (at >= yes.len(), at >= yes.len() + no.len());
                assert_eq!(kind(found), kind(at), "{word} in {code}");
            }
        }
    }
}
