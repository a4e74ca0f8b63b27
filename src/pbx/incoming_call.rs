//! The facts about an incoming call that Asterisk sends first.

/// The facts about an incoming call, which the script can read as `agi_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingCall {
    /// `agi_network_script`, for a `FastAGI` call, before which `agi_network` is sent. If the text is empty, its line
    /// is left out.
    pub network_script: Option<String>,
    /// `agi_request`.
    pub request: String,
    /// `agi_channel`: the name of the channel.
    pub channel: String,
    /// `agi_language`.
    pub language: String,
    /// `agi_type`: the technology of the channel.
    pub kind: String,
    /// `agi_uniqueid`.
    pub uniqueid: String,
    /// `agi_version`.
    pub version: String,
    /// `agi_callerid`: the caller's number, sent as `unknown` if there is none.
    pub callerid: Option<String>,
    /// `agi_calleridname`.
    pub calleridname: Option<String>,
    /// `agi_callingpres`.
    pub callingpres: i32,
    /// `agi_callingani2`.
    pub callingani2: i32,
    /// `agi_callington`.
    pub callington: i32,
    /// `agi_callingtns`.
    pub callingtns: i32,
    /// `agi_dnid`.
    pub dnid: Option<String>,
    /// `agi_rdnis`.
    pub rdnis: Option<String>,
    /// `agi_context`.
    pub context: String,
    /// `agi_extension`.
    pub extension: String,
    /// `agi_priority`.
    pub priority: i32,
    /// `agi_enhanced`: whether this is an EAGI call.
    pub enhanced: bool,
    /// `agi_accountcode`.
    pub accountcode: String,
    /// `agi_threadid`.
    pub threadid: i64,
    /// `agi_arg_1` and so on.
    pub args: Vec<String>,
}

impl Default for IncomingCall {
    /// Returns a call from the number 100.
    fn default() -> Self {
        Self {
            network_script: None,
            request: "agi-rhai".into(),
            channel: "PJSIP/100-00000001".into(),
            language: "en".into(),
            kind: "PJSIP".into(),
            uniqueid: "1700000000.1".into(),
            version: "22.10.1".into(),
            callerid: Some("100".into()),
            calleridname: None,
            callingpres: 0,
            callingani2: 0,
            callington: 0,
            callingtns: 0,
            dnid: None,
            rdnis: None,
            context: "default".into(),
            extension: "s".into(),
            priority: 1,
            enhanced: false,
            accountcode: String::new(),
            threadid: 1,
            args: Vec::new(),
        }
    }
}
