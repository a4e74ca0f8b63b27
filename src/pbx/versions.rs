//! Which applications each version of Asterisk has.

/// The name of each application, with its first and last major version.
const APPLICATIONS: &str = include_str!("applications.txt");

/// The oldest major version of Asterisk that the checker knows.
pub const OLDEST_ASTERISK: u32 = 11;

fn rows() -> impl Iterator<Item = (&'static str, u32, Option<u32>)> {
    let lines = APPLICATIONS.lines().filter(|line| !line.starts_with(';'));
    lines.filter_map(|line| {
        let mut words = line.split(' ');
        let (name, since, until) = (words.next()?, words.next()?, words.next()?);
        Some((name, since.parse().ok()?, until.parse().ok()))
    })
}

/// Returns the names of all applications, past and present.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    rows().map(|(name, ..)| name)
}

/// Returns why this version doesn't have an application, and what to use instead.
pub(crate) fn lacks(application: &str, version: u32) -> Option<(String, Option<&'static str>)> {
    let (name, since, until) = rows().find(|(name, ..)| name.eq_ignore_ascii_case(application.trim()))?;
    if version < since {
        return Some((format!("Asterisk {version} has no application {name}: it came with {since}"), None));
    }
    let until = until.filter(|until| version > *until)?;
    Some((
        format!("Asterisk {version} no longer has the application {name}: {until} was the last version with it"),
        instead(name),
    ))
}

fn instead(application: &str) -> Option<&'static str> {
    Some(match application {
        "Macro" | "MacroExclusive" => {
            "write a subroutine of the dialplan and call it with `gosub(context, extension, 1)`"
        }
        "MacroExit" => "a subroutine ends with Return in the dialplan",
        "MacroIf" => "decide in the script, and call `gosub`",
        "Monitor" | "ChangeMonitor" | "PauseMonitor" | "UnpauseMonitor" => "record with MixMonitor",
        "StopMonitor" => "record with MixMonitor, and end it with StopMixMonitor",
        "DeadAGI" => "AGI works after the hangup too",
        "SIPAddHeader" | "SIPRemoveHeader" => {
            "set the function PJSIP_HEADER: `set_variable(\"PJSIP_HEADER(add,X-Name)\", value)`"
        }
        "SIPDtmfMode" => "set the function PJSIP_DTMF_MODE",
        "SetMusicOnHold" => "`set_music(true, class)` starts music on hold",
        "WaitMusicOnHold" => "`set_music(true)`, then `sleep(seconds)`",
        "SetCallerPres" => "set the function CALLERID(pres)",
        "SetAMAFlags" => "set the function CHANNEL(amaflags)",
        "NoCDR" => "set the function CDR_PROP(disable)",
        "ImportVar" => "read the function IMPORT(channel,variable)",
        "DBdel" => "`database_del(family, key)`",
        "ReadFile" => "read the function FILE(path)",
        "MailboxExists" => "read the function VM_INFO(mailbox,exists)",
        "SayCountPL" => "`say_number` in the language of the channel",
        "SendImage" => "`send_image(name)`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(application: &str, version: u32, expected: &str) {
        let found = lacks(application, version).map_or_else(|| "there".to_owned(), |(why, _)| why);
        assert_eq!(found, expected, "{application} in {version}");
    }

    #[test]
    fn applications_come_and_go() {
        check("Macro", 20, "there");
        check("macro", 21, "Asterisk 21 no longer has the application Macro: 20 was the last version with it");
        check("WaitDigit", 14, "Asterisk 14 has no application WaitDigit: it came with 15");
        check("WaitDigit", 15, "there");
        check("Dial", 11, "there");
        check("Dial", 23, "there");
        // An application of a third-party module.
        check("MyApplication", 22, "there");
        assert_eq!(rows().count(), 234);
        assert!(rows().all(|(_, since, until)| until.is_none_or(|until| since <= until && until < 23)));
    }
}
