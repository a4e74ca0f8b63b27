//! Permissions: the applications, dialplan functions and variables that scripts may make Asterisk run.
//!
//! A name is allowed if it is known to run no program, to touch no file on Asterisk's machine except sounds and
//! recordings (as AGI's own commands do), and to run no other code of the dialplan. Anything else needs the
//! operator's permission. Text that Asterisk parses before it runs it is parsed here as in `main/pbx_variables.c` and
//! `main/app.c` of Asterisk 22; a name that only Asterisk can work out is refused.

use super::param::Kind;

/// The kind of thing that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// An application of the dialplan.
    Application,
    /// A function of the dialplan.
    Function,
    /// A variable that is set.
    Variable,
}

use NameKind::{Application, Function, Variable};

/// The permitted uses of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowance {
    /// Anything, whatever its arguments are.
    AnyArguments,
    /// Its first argument names a variable or function, which it sets.
    SetsFirst,
    /// It sets the name before the `=`.
    SetsPair,
    /// Setting it sets the variable or function that its argument names.
    SetsArgument,
    /// It may have only harmless options.
    DialOptions,
    /// When it is set, only these items may be.
    Items(&'static str),
}

use Allowance::{AnyArguments, DialOptions, Items, SetsArgument, SetsFirst, SetsPair};

/// The names that all scripts may use, and why they do no harm.
const ALLOWED: &[(NameKind, Allowance, &str, &str)] = &[
    (
        Application,
        AnyArguments,
        "plays and says, as STREAM FILE and SAY do",
        "Playback BackGround ControlPlayback SayAlpha SayAlphaCase SayCountedAdj SayCountedNoun SayDigits SayMoney \
         SayNumber SayOrdinal SayPhonetic SayUnixTime DateTime MusicOnHold StartMusicOnHold StopMusicOnHold \
         SetMusicOnHold WaitMusicOnHold PlayTones StopPlayTones Milliwatt Morsecode Zapateller",
    ),
    (
        Application,
        AnyArguments,
        "listens and waits",
        "BackgroundDetect Echo StreamEcho Wait WaitDigit WaitExten WaitForNoise WaitForRing WaitForSilence \
         WaitForTone WaitUntil ToneScan AMD",
    ),
    (Application, AnyArguments, "records, as RECORD FILE does", "Record"),
    (Application, AnyArguments, "ends a recording", "StopMixMonitor StopMonitor"),
    (Application, SetsFirst, "puts keys into a variable", "Read ReadExten ReceiveMF ReceiveSF"),
    (
        Application,
        AnyArguments,
        "sends keys and texts to the caller",
        "SendDTMF SendMF SendSF SendText SendImage SendURL Flash",
    ),
    (
        Application,
        AnyArguments,
        "says how the call stands, or ends it",
        "Answer Busy Congestion Hangup HangupCauseClear Incomplete Proceeding Progress Ringing Transfer",
    ),
    (Application, DialOptions, "calls somebody", "Dial"),
    (
        Application,
        AnyArguments,
        "says where the dialplan goes on, as SET CONTEXT does",
        "Goto GotoIf GotoIfTime Return StackPop",
    ),
    (Application, SetsPair, "sets a variable, as SET VARIABLE does", "Set"),
    (Application, AnyArguments, "deletes entries of the database, as DATABASE DELTREE does", "DBdel DBdeltree"),
    (
        Application,
        AnyArguments,
        "leaves a note on the console, in the log, in records of calls or as an event",
        "NoOp Verbose Log DumpChan UserEvent CELGenUserEvent ForkCDR NoCDR ResetCDR SetAMAFlags QueueLog",
    ),
    (Application, AnyArguments, "says who calls", "SetCallerPres PrivacyManager"),
    (
        Application,
        AnyArguments,
        "recognizes speech, as the SPEECH commands do",
        "SpeechActivateGrammar SpeechBackground SpeechCreate SpeechDeactivateGrammar SpeechDestroy \
         SpeechLoadGrammar SpeechProcessingSound SpeechStart SpeechUnloadGrammar",
    ),
    (
        Function,
        AnyArguments,
        "describes the call, or says how it goes on",
        "CALLERID CONNECTEDLINE REDIRECTING CDR CDR_PROP EXCEPTION GROUP GROUP_COUNT GROUP_LIST GROUP_MATCH_COUNT \
         HANGUPCAUSE HANGUPCAUSE_KEYS TIMEOUT POLARITY MEETME_INFO",
    ),
    (
        Function,
        Items(
            "language musicclass parkinglot accountcode userfield amaflags peeraccount hangupsource tonezone callgroup \
             pickupgroup namedcallgroup namedpickupgroup txgain rxgain max_forwards tenantid transfercapability \
             secure_bridge_signaling secure_bridge_media",
        ),
        "describes the call; its hangup handlers and places of the dialplan cannot be set",
        "CHANNEL",
    ),
    (
        Function,
        AnyArguments,
        "reports what else goes on",
        "AGENT BLACKLIST CHANNELS CHANNEL_EXISTS CONFBRIDGE_CHANNELS CONFBRIDGE_INFO DEVICE_STATE DIALPLAN_EXISTS \
         EXTENSION_STATE HINT IFMODULE PARK_GET_CHANNEL PJSIP_AOR PJSIP_CONTACT PJSIP_DIAL_CONTACTS PJSIP_ENDPOINT \
         PRESENCE_STATE QUEUE_EXISTS QUEUE_GET_CHANNEL QUEUE_MEMBER QUEUE_MEMBER_COUNT QUEUE_MEMBER_LIST \
         QUEUE_MEMBER_PENALTY QUEUE_VARIABLES QUEUE_WAITING_COUNT SYSINFO VALID_EXTEN VARIABLE_EXISTS VERSION \
         VMCOUNT VM_INFO",
    ),
    (
        Function,
        AnyArguments,
        "reads and sets headers of SIP, and what a phone is offered",
        "PJSIP_DTMF_MODE PJSIP_HEADER PJSIP_HEADERS PJSIP_HEADER_PARAM PJSIP_INHERITABLE_HEADER PJSIP_MEDIA_OFFER \
         PJSIP_MOH_PASSTHROUGH PJSIP_PARSE_URI PJSIP_RESPONSE_HEADER PJSIP_RESPONSE_HEADERS \
         PJSIP_SEND_SESSION_REFRESH PJSIP_TRANSFER_HANDLING",
    ),
    (
        Function,
        AnyArguments,
        "changes what is heard",
        "AGC DENOISE JITTERBUFFER MUTEAUDIO PITCH_SHIFT SCRAMBLE TALK_DETECT VOLUME",
    ),
    (Function, AnyArguments, "the database of the DATABASE commands", "DB DB_DELETE DB_EXISTS DB_KEYCOUNT DB_KEYS"),
    (Function, SetsArgument, "a variable of all calls", "GLOBAL GLOBAL_EXISTS GLOBAL_DELETE DELETE"),
    (Function, AnyArguments, "a variable several calls share, or a lock", "SHARED LOCK TRYLOCK UNLOCK"),
    (
        Function,
        AnyArguments,
        "the results of speech recognition",
        "SPEECH SPEECH_ENGINE SPEECH_GRAMMAR SPEECH_RESULTS_TYPE SPEECH_SCORE SPEECH_TEXT",
    ),
    (
        Function,
        AnyArguments,
        "computes with the text it is given",
        "ABS AES_DECRYPT AES_ENCRYPT BASE64_DECODE BASE64_ENCODE BASENAME CSV_QUOTE DIGIT_SUM DIRNAME EXISTS FILTER \
         ICONV IF IFTIME ISNULL KEYPADHASH LEN LTRIM MATH MAX MD5 MIN QUOTE RAND REGEX RTRIM SHA1 SPRINTF STRFTIME \
         STRPTIME TOLOWER TOUPPER TRIM URIDECODE URIENCODE UUID",
    ),
];

/// The functions that are built into `$[...]`.
const ARITHMETIC: &str =
    "ACOS ASIN ATAN ATAN2 CEIL COS EXP EXP2 EXP10 FLOOR LOG LOG2 LOG10 POW REMAINDER RINT ROUND SIN SQRT TAN TRUNC";

/// The names that are known to need the operator's permission, and why.
const REFUSED: &[(NameKind, &str, &str)] = &[
    (
        Application,
        "it runs programs on Asterisk's machine",
        "System TrySystem AGI EAGI DeadAGI ExternalIVR MixMonitor Monitor ChangeMonitor MP3Player NBScat ICES \
         DAHDIRAS AlarmReceiver VoiceMail VoiceMailMain VoiceMailPlayMsg MinivmAccMess MinivmDelete MinivmGreet \
         MinivmMWI MinivmNotify MinivmRecord Dictate JACK Festival",
    ),
    (
        Application,
        "it runs other applications, so all of them are allowed with it",
        "Exec TryExec ExecIf ExecIfTime AELSub",
    ),
    (Application, "it sets several at once, where `set_variable(name, value)` sets one", "MSet"),
    (
        Application,
        "it begins other code of the dialplan, for which there is `gosub(context, extension, priority)`",
        "Gosub GosubIf Macro MacroExclusive MacroExit MacroIf",
    ),
    (
        Application,
        "it runs other code of the dialplan, or records into a file",
        "Bridge BridgeAdd BridgeWait ConfBridge FollowMe MeetMe Originate Page Park ParkAndAnnounce ParkedCall \
         Queue RetryDial SLAStation SLATrunk Stasis StasisBroadcast AgentLogin AgentRequest AttendedTransfer \
         BlindTransfer DISA Directory IVRDemo",
    ),
    (
        Application,
        "it evaluates its arguments, or jumps in the dialplan",
        "WaitForCondition StoreDTMF While EndWhile ContinueWhile ExitWhile If Else ElseIf EndIf ExitIf \
         RaiseException",
    ),
    (
        Application,
        "it reads or writes files of Asterisk's machine",
        "Authenticate VMAuthenticate ADSIProg ReadFile SMS SendFAX ReceiveFAX ChanSpy ExtenSpy DAHDIBarge",
    ),
    (
        Application,
        "it reaches other calls, the configuration or other machines",
        "AddQueueMember RemoveQueueMember PauseQueueMember UnpauseQueueMember QueueUpdate ChannelRedirect \
         SoftHangup ConfKick MeetMeAdmin MeetMeChannelAdmin MeetMeCount Pickup PickupChan PJSIPHangup PJSIPNotify \
         MessageSend AudioSocket Reload StatsD JabberJoin JabberLeave JabberSend JabberSendGroup JabberStatus \
         ChanIsAvail Broadcast CallCompletionCancel CallCompletionRequest ClearHash DAHDIAcceptR2Call DAHDIScan \
         DAHDISendCallreroutingFacility DAHDISendKeypadFacility GetCPEID IAX2Provision ImportVar MailboxExists \
         ODBCFinish ODBC_Commit ODBC_Rollback OSPAuth OSPFinish OSPLookup OSPNext PauseMonitor UnpauseMonitor \
         ReceiveText SIPAddHeader SIPDtmfMode SIPRemoveHeader SIPSendCustomINFO Signal WaitForSignal TestClient \
         TestServer VMSayName AgentMonitorOutgoing SayCountPL SkelGuessNumber",
    ),
    (Function, "it runs programs on Asterisk's machine", "SHELL MINIVMACCOUNT MINIVMCOUNTER"),
    (
        Function,
        "it evaluates its argument, so all functions are allowed with it; Rhai has its own for texts and arrays",
        "ARRAY CUT DEC EVAL EVAL_EXTEN EVAL_SUB EXPORT FIELDNUM FIELDQTY HASH HASHKEYS IMPORT INC JSON_DECODE \
         LISTFILTER LOCAL LOCAL_PEEK MASTER_CHANNEL PASSTHRU POP PUSH REPLACE SET SHIFT SORT STACK_PEEK STRBETWEEN \
         STRREPLACE UNSHIFT",
    ),
    (
        Function,
        "it reads or writes files, settings or the environment of Asterisk's machine",
        "FILE FILE_COUNT_LINE FILE_FORMAT STAT ENV AST_CONFIG AST_SORCERY MIXMONITOR CONFBRIDGE FAXOPT LOG_GROUP \
         RECORDING_INFO FEATURE FEATUREMAP",
    ),
    (
        Function,
        "it asks other machines or databases",
        "CURL CURLOPT ODBC ODBC_FETCH REALTIME REALTIME_DESTROY REALTIME_FIELD REALTIME_HASH REALTIME_STORE \
         DUNDILOOKUP DUNDIQUERY DUNDIRESULT ENUMLOOKUP ENUMQUERY ENUMRESULT SRVQUERY SRVRESULT TXTCIDNAME \
         CALENDAR_BUSY CALENDAR_EVENT CALENDAR_QUERY CALENDAR_QUERY_RESULT CALENDAR_WRITE",
    ),
    (
        Function,
        "it reaches hardware, messages or parts of Asterisk no script needs",
        "AMI_CLIENT DAHDI_CHANNEL FRAME_DROP FRAME_TRACE GEOLOC_PROFILE HOLD_INTERCEPT IAXPEER IAXVAR \
         JABBER_RECEIVE JABBER_STATUS MESSAGE MESSAGE_DATA PJSIP_PARSE_URI_FROM PP_EACH_EXTENSION PP_EACH_USER \
         SAYFILES SMDI_MSG SMDI_MSG_RETRIEVE SQL_ESC SQL_ESC_BACKSLASHES STIR_SHAKEN STIR_SHAKEN_ATTESTATION \
         TESTTIME",
    ),
    (Function, "it begins other code of the dialplan", "PERIODIC_HOOK DIALGROUP CALLCOMPLETION TONE_DETECT"),
    (
        Variable,
        "Asterisk runs or opens what it holds",
        "MONITOR_EXEC MONITOR_EXEC_ARGS MONITOR_FILENAME MONITOR_OPTIONS TOUCH_MONITOR TOUCH_MONITOR_FORMAT \
         TOUCH_MONITOR_PREFIX TOUCH_MIXMONITOR TOUCH_MIXMONITOR_BEEP TOUCH_MIXMONITOR_FORMAT \
         TOUCH_MIXMONITOR_OPTIONS TOUCH_MIXMONITOR_PREFIX MEETME_AGI_BACKGROUND MEETME_RECORDINGFILE \
         MEETME_RECORDINGFORMAT MVM_FILENAME DUNDIDIALARGS CONNECTED_LINE_SEND_SUB CONNECTED_LINE_SEND_SUB_ARGS \
         REDIRECTING_SEND_SUB REDIRECTING_SEND_SUB_ARGS CONNECTED_LINE_CALLER_SEND_MACRO \
         CONNECTED_LINE_CALLEE_SEND_MACRO REDIRECTING_CALLER_SEND_MACRO REDIRECTING_CALLEE_SEND_MACRO",
    ),
];

/// The options of Dial that run no other code of the dialplan and record nothing.
const DIAL_OPTIONS: &str = "aAcCdDEfghHiIjkKLmnNoOpPQrRsStTuz";

/// The name that stands for everything: it allows even names that only Asterisk can work out, or denies all
/// applications and functions.
pub const EVERYTHING: &str = "*";

/// The applications, functions and variables that scripts may make Asterisk run, in addition to those that all
/// scripts may; and those that they may not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Further applications, functions and variables that are allowed; `*` allows all.
    pub allowed: Vec<String>,
    /// Applications and functions that are denied; `*` denies all.
    pub denied: Vec<String>,
}

/// The longest text with expressions that is examined, in bytes. A longer one would take too much time, and no
/// Asterisk accepts such a line.
const MAX_EXPRESSION_LENGTH: usize = 8192;
/// The maximum number of expressions in a text that is examined.
const MAX_EXPRESSIONS: usize = 100;

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn listed(names: &str, name: &str) -> bool {
    names.split_ascii_whitespace().any(|listed| same(listed, name))
}

/// Returns the names that all scripts may use.
pub fn allowed(kind: NameKind) -> impl Iterator<Item = &'static str> {
    ALLOWED.iter().filter(move |group| group.0 == kind).flat_map(|group| group.3.split_ascii_whitespace())
}

/// Returns the names known to need the operator's permission.
pub fn refused(kind: NameKind) -> impl Iterator<Item = &'static str> {
    REFUSED.iter().filter(move |group| group.0 == kind).flat_map(|group| group.2.split_ascii_whitespace())
}

fn allows(names: &str) -> String {
    format!("the operator can allow it with --allow-exec {names}")
}

impl Permissions {
    /// Whether everything is allowed.
    fn everything(&self) -> bool {
        self.denied.is_empty() && self.allowed.iter().any(|name| name == EVERYTHING)
    }

    /// Returns why this argument of a command is refused, given the arguments after it in `rest`; `None` if it is
    /// allowed. A script gets this text when it runs, and the checker reports it.
    #[must_use]
    pub fn refuses(&self, kind: Kind, text: &str, rest: &str) -> Option<String> {
        if self.everything() {
            return None;
        }
        for text in [text, rest] {
            if has_expression(text)
                && (text.len() > MAX_EXPRESSION_LENGTH || text.matches('$').count() > MAX_EXPRESSIONS)
            {
                return Some(self.worked_out("so long an expression"));
            }
        }
        match kind {
            Kind::Application => self.application(text, rest),
            Kind::Expression => self.expression(text),
            Kind::Read => self.read(text),
            Kind::Written => self.written(text),
            Kind::DialOptions => self.application("Dial", &format!(",,{text}")),
            _ => Ok(()),
        }
        .err()
    }

    fn worked_out(&self, what: &str) -> String {
        let names = if self.denied.is_empty() { "'*'" } else { "'*' without --deny-exec" };
        format!(
            "may not hold {what}, since only Asterisk can tell what would run: work it out in the script; {}",
            allows(names)
        )
    }

    /// Returns what a name may be used for.
    fn named(&self, kind: NameKind, name: &str) -> Result<Allowance, String> {
        let name = name.trim();
        let has = |names: &[String]| names.iter().any(|listed| same(listed.trim_end_matches("()"), name));
        let (does, noun) = match kind {
            Application => ("run", "an application"),
            Function => ("use the function", "a function"),
            Variable => ("set the variable", "a variable"),
        };
        if has(&self.denied) || kind != Variable && self.denied.iter().any(|name| name == EVERYTHING) {
            return Err(format!("may not {does} {name} here: the operator denies it with --deny-exec"));
        }
        if has(&self.allowed) || self.allowed.iter().any(|name| name == EVERYTHING) {
            return Ok(AnyArguments);
        }
        if let Some(group) = ALLOWED.iter().find(|group| group.0 == kind && listed(group.3, name)) {
            return Ok(group.1);
        }
        let known = REFUSED.iter().find(|group| group.0 == kind && listed(group.2, name));
        let why = match known {
            Some(group) => group.1,
            None if kind == Variable => return Ok(AnyArguments),
            None if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) => {
                return Err(format!("may not {does} {name:?} here: that isn't the name of {noun}"));
            }
            None => "it is not known to be harmless",
        };
        Err(format!("may not {does} {name} here: {why}; {}", allows(name)))
    }

    /// Checks an application and its arguments.
    fn application(&self, name: &str, arguments: &str) -> Result<(), String> {
        let allowance = self.named(Application, name)?;
        // Asterisk evaluates the arguments if the variable AGIEXECFULL says so, and for some applications always.
        self.expression(arguments)?;
        match allowance {
            SetsFirst => self.written(arguments.split(',').next().unwrap_or_default()),
            SetsPair => self.written(arguments.split('=').next().unwrap_or_default()),
            DialOptions => self.dial(name.trim(), arguments),
            AnyArguments | SetsArgument | Items(_) => Ok(()),
        }
    }

    /// Checks the name of a variable or function to read.
    fn read(&self, text: &str) -> Result<(), String> {
        self.expression(text)?;
        match text.split_once('(') {
            Some((function, _)) => self.named(Function, function).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Checks the name of a variable or function to set.
    fn written(&self, text: &str) -> Result<(), String> {
        self.expression(text)?;
        let name = text.trim();
        let Some((function, rest)) = name.split_once('(') else {
            if has_expression(name) {
                return Err(self.worked_out("an expression in the name of what is set"));
            }
            let name: String = name.trim_start_matches('_').chars().filter(|c| !matches!(c, '"' | '\\')).collect();
            return self.named(Variable, &name).map(|_| ());
        };
        if has_expression(function) {
            return Err(self.worked_out("an expression in the name of what is set"));
        }
        let argument = rest.rfind(')').map_or(rest, |end| &rest[..end]);
        match self.named(Function, function)? {
            SetsArgument => self.written(argument),
            Items(items) => {
                let item = argument.split(',').next().unwrap_or_default().trim();
                if listed(items, item) {
                    return Ok(());
                }
                let name = function.trim();
                Err(format!("may not set {name}({item}) here: it is not known to be harmless; {}", allows(name)))
            }
            _ => Ok(()),
        }
    }

    /// Checks the functions in the `${...}` and `$[...]` of a text that Asterisk evaluates.
    fn expression(&self, text: &str) -> Result<(), String> {
        for (at, _) in text.match_indices('$') {
            let rest = &text[at + 1..];
            if let Some(inside) = rest.strip_prefix('{') {
                let end = inside.find(['(', '}', ':']).unwrap_or(inside.len());
                let name = &inside[..end];
                if name.contains('$') {
                    return Err(self.worked_out("a `${...}` whose name holds another"));
                }
                if inside[end..].starts_with('(') {
                    self.named(Function, name)?;
                }
            } else if let Some(inside) = rest.strip_prefix('[') {
                let inside = &inside[..bracketed(inside)];
                // A value may be the name of a function, which is then called.
                if inside.contains("${") {
                    return Err(self.worked_out("a `${...}` inside `$[...]`"));
                }
                self.called(inside)?;
            }
        }
        Ok(())
    }

    /// Checks the names that are followed by brackets.
    fn called(&self, text: &str) -> Result<(), String> {
        for (at, _) in text.match_indices('(') {
            let before = text[..at].trim_end();
            let name = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(before, |end| {
                let width = before[end..].chars().next().map_or(1, char::len_utf8);
                &before[end + width..]
            });
            let groups = before.is_empty() || before.ends_with(|c| "(,=<>!&|+-*/%?:~[".contains(c));
            if (!name.is_empty() || !groups) && !listed(ARITHMETIC, name) {
                self.named(Function, name)?;
            }
        }
        Ok(())
    }

    /// Checks the arguments of Dial: where options belong, only harmless ones may stand.
    fn dial(&self, name: &str, text: &str) -> Result<(), String> {
        if has_expression(text) {
            return Err(self.worked_out("an expression among the arguments of Dial"));
        }
        // In Asterisk, a comma inside quotes or brackets separates nothing. Here it does, so that no option is
        // overlooked.
        for options in text.splitn(3, ',').skip(2).flat_map(|options| options.split(',')) {
            let mut rest = options;
            while let Some(letter) = rest.chars().next() {
                rest = &rest[letter.len_utf8()..];
                let harmless = DIAL_OPTIONS.contains(letter);
                let argument = rest
                    .strip_prefix('(')
                    .map(|inside| inside.find(['(', ')', '"', '\\']).map(|end| inside.split_at(end)));
                rest = match argument {
                    None => rest,
                    Some(Some((_, behind))) if behind.starts_with(')') => &behind[1..],
                    Some(_) => {
                        return Err(format!(
                            "may not run {name} with the options {text:?} here: they cannot be made out; {}",
                            allows(name)
                        ));
                    }
                };
                if !harmless && !letter.is_whitespace() {
                    return Err(format!(
                        "may not run {name} with the option {letter} here: it begins other code of the dialplan, records, \
                         or is not known; {}",
                        allows(name)
                    ));
                }
            }
        }
        Ok(())
    }
}

fn has_expression(text: &str) -> bool {
    text.contains("${") || text.contains("$[")
}

/// Returns the end of the text after `$[`, as Asterisk finds it.
fn bracketed(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut open) = (0, 1);
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        match (byte, next) {
            (b'$', Some(b'[')) => (open, at) = (open + 1, at + 1),
            (b'$', Some(b'{')) => at += 1,
            (b'[', _) => open += 1,
            (b']', _) => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return at - 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(permissions: &Permissions, kind: Kind, text: &str, rest: &str) -> String {
        permissions.refuses(kind, text, rest).unwrap_or_default()
    }

    /// Compares what is refused by default, and which name the operator would have to allow.
    fn check_refused(kind: Kind, text: &str, rest: &str, allow: &str) {
        let usual = why(&Permissions::default(), kind, text, rest);
        assert!(usual.ends_with(&format!("--allow-exec {allow}")), "{text}({rest}): {usual:?}");
        let allowed = Permissions { allowed: vec![allow.trim_matches('\'').to_owned()], denied: vec![] };
        assert_eq!(why(&allowed, kind, text, rest), "", "{text}({rest}) with {allow}");
    }

    fn check_allowed(kind: Kind, text: &str, rest: &str) {
        assert_eq!(why(&Permissions::default(), kind, text, rest), "", "{text}({rest})");
    }

    #[test]
    fn applications() {
        for name in ["System", "sYsTem", " TrySystem", "Exec", "Gosub", "MixMonitor", "SomebodysOwn", "queue"] {
            check_refused(Kind::Application, name, "a,b", name.trim());
        }
        for name in ["NoOp", "noop", "Playback", "Set", "Dial"] {
            check_allowed(Kind::Application, name, "");
        }
        for what in [Application, Function] {
            let mut names: Vec<&str> = allowed(what).chain(refused(what)).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "a name stands twice");
        }
        let says = why(&Permissions::default(), Kind::Application, "a b(c)", "");
        assert_eq!(says, "may not run \"a b(c)\" here: that isn't the name of an application");
    }

    #[test]
    fn functions_in_expressions() {
        for (text, allow) in [
            ("${SHELL(id)}", "SHELL"),
            ("a ${A} ${LEN(${SHELL(id)})}", "SHELL"),
            ("${ SHELL(id)}", "SHELL"),
            ("${SHELL(id", "SHELL"),
            ("${A:${SHELL(id)}}", "SHELL"),
            ("$[1 + SHELL (id)]", "SHELL"),
            ("${LEN($[x & SHELL(id)])}", "SHELL"),
            ("$[[SHELL(id)]", "SHELL"),
            ("$[ $[ 1 ] SHELL(id)]", "SHELL"),
            ("${SOMEBODYS_OWN(x)}", "SOMEBODYS_OWN"),
            ("${${A}}", "'*'"),
            ("${A${B}}", "'*'"),
            ("${${}SHELL(id)}", "'*'"),
            ("${SH${}ELL(id)}", "'*'"),
            ("$[${A} > 1]", "'*'"),
        ] {
            check_refused(Kind::Expression, text, "", allow);
            check_refused(Kind::Application, "NoOp", text, allow);
            check_refused(Kind::Application, "Set", &format!("A={text}"), allow);
        }
        for text in [
            "",
            "$",
            "${",
            "${A}",
            "${A:1:2} $5 [a](b)",
            "${LEN(${A})}",
            "${LEN(a(b)c)}",
            "a(b)",
            "$[(1 + 2) * 3]",
            "$[ROUND(1.5)] ${A}(x)",
            "${CALLERID(num)}-${CHANNEL(state)}",
            "{SHELL(id)}",
        ] {
            check_allowed(Kind::Expression, text, "");
            check_allowed(Kind::Application, "NoOp", text);
        }
    }

    #[test]
    fn names_that_are_read_and_set() {
        for (text, allow) in
            [("SHELL(id)", "SHELL"), ("CUT(A,-,1)", "CUT"), ("LEN(${SHELL(id)})", "SHELL"), ("ENV(PATH)", "ENV")]
        {
            check_refused(Kind::Read, text, "", allow);
        }
        for text in ["A", "CALLERID(num)", "DB(a/b)", "a b", "CHANNEL(hangup_handler_list)"] {
            check_allowed(Kind::Read, text, "");
        }
        for (text, allow) in [
            ("FILE(/tmp/x)", "FILE"),
            ("__FILE(/tmp/x)", "__FILE"),
            ("GLOBAL(FILE(/tmp/x))", "FILE"),
            ("GLOBAL(MONITOR_EXEC)", "MONITOR_EXEC"),
            ("__MONITOR_EXEC", "MONITOR_EXEC"),
            ("CHANNEL(hangup_handler_push)", "CHANNEL"),
            ("A${B}", "'*'"),
        ] {
            check_refused(Kind::Written, text, "", allow);
            check_refused(Kind::Application, "Set", &format!("{text}=x"), allow);
            check_refused(Kind::Application, "Read", &format!("{text},beep"), allow);
        }
        check_refused(Kind::Application, "Set", "${A}", "'*'");
        check_refused(Kind::Application, "MSet", "A=1", "MSet");
        for text in
            ["A", "_A", "__A", "CALLERID(name)", "GLOBAL(A)", "CHANNEL(language)", "DB(a/b (c))", "price$", "MONITOR"]
        {
            check_allowed(Kind::Written, text, "");
            check_allowed(Kind::Application, "Set", &format!("{text}=hello (world) and f(x)"));
        }
    }

    #[test]
    fn options_of_dial() {
        let option =
            |options: &str| why(&Permissions::default(), Kind::Application, "Dial", &format!("PJSIP/1,20,{options}"));
        for options in ["", "g", "gTtL(60000:30000)", "A(beep)m(default)r", "D(12w3)"] {
            assert_eq!(option(options), "", "{options}");
            check_allowed(Kind::DialOptions, options, "");
        }
        for options in [
            "U(x)",
            "gb(c^s^1)",
            "B(x)",
            "M(x)",
            "G(x)",
            "F",
            "e",
            "xX",
            "w",
            "m(a)U(x)",
            "A(x,U(y)",
            "m(,U(x)",
            "g,U(x)",
            "Õ(x)",
            "\"U\"(x)",
        ] {
            assert!(option(options).ends_with("--allow-exec Dial"), "{options}: {}", option(options));
        }
        check_refused(Kind::DialOptions, "U(x)", "", "Dial");
        check_refused(Kind::Application, "Dial", "${A}", "'*'");
        assert!(why(&Permissions::default(), Kind::Application, "Dial", "PJSIP/1,20,U(x),20,g").contains("option U"));
    }

    #[test]
    fn the_operator_denies() {
        let permissions =
            Permissions { allowed: vec!["SHELL()".to_owned()], denied: vec!["dial".to_owned(), "DB".to_owned()] };
        let dial = why(&permissions, Kind::Application, "Dial", "");
        assert_eq!(dial, "may not run Dial here: the operator denies it with --deny-exec");
        assert!(why(&permissions, Kind::Read, "DB(a/b)", "").ends_with("--deny-exec"));
        assert_eq!(why(&permissions, Kind::Read, "SHELL(id)", ""), "");
        let all_but = Permissions { allowed: vec!["*".to_owned()], denied: vec!["DB".to_owned()] };
        let computed = why(&all_but, Kind::Application, "NoOp", "${${A}}");
        assert!(
            computed.ends_with("the operator can allow it with --allow-exec '*' without --deny-exec"),
            "{computed}"
        );
    }

    #[test]
    fn the_operator_denies_all() {
        for allowed in [vec![], vec!["*".to_owned(), "NoOp".to_owned()]] {
            let permissions = Permissions { allowed, denied: vec!["*".to_owned()] };
            for (kind, text) in [
                (Kind::Application, "NoOp"),
                (Kind::Application, "Set"),
                (Kind::DialOptions, "g"),
                (Kind::Read, "CALLERID(num)"),
                (Kind::Written, "CALLERID(num)"),
                (Kind::Expression, "${LEN(a)}"),
            ] {
                let why = why(&permissions, kind, text, "");
                assert!(why.ends_with("the operator denies it with --deny-exec"), "{text}: {why:?}");
            }
            // Variables are neither.
            assert_eq!(why(&permissions, Kind::Written, "A", ""), "");
            assert_eq!(why(&permissions, Kind::Read, "A", ""), "");
        }
    }
}
