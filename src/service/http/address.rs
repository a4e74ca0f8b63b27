//! Addresses: a path of a script stays below the `url` of its service, whatever it holds.

use super::values;
use crate::agi::printable;
use crate::plural::plural;
use crate::transport::Failure;
use http::Uri;
use percent_encoding::{percent_decode, percent_decode_str};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use url::Url;

/// How many bytes an address may have, as most servers take no more.
const MAX_ADDRESS: usize = 8000;
/// How often a path may be percent-encoded. It is decoded to see what a careless server may make of it.
const MAX_DECODINGS: usize = 4;

/// The address of a service, below which all requests are.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// Without the user and the password, so it may be part of an error of the client.
    url: Url,
    user: Option<User>,
}

/// Who the operator is to the service.
#[derive(Clone)]
pub(super) struct User {
    pub name: String,
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

impl Base {
    /// Parses the `url` of a service.
    ///
    /// # Errors
    /// It isn't the address of a web API. The message doesn't hold it, as it may hold a password.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let should = "such as `https://api.example.net/v2/`";
        let mut url =
            Url::parse(text).map_err(|error| Failure::argument(format!("`url` isn't an address {should}: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Failure::argument(format!("`url` isn't an address {should}: it begins otherwise")));
        }
        if url.fragment().is_some() {
            return Err(Failure::argument("`url` holds a `#`, and what follows it would never be sent"));
        }
        check(url.path()).map_err(|why| Failure::argument(format!("`url` isn't an address {should}: {why}")))?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = url.password().map(decoded);
        let user = (!url.username().is_empty() || password.is_some())
            .then(|| User { name: decoded(url.username()), password: password.unwrap_or_default() });
        // Neither fails for an address with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self { url, user })
    }

    /// Returns the user in the `url`.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Returns the host and the port, for messages.
    pub fn host(&self) -> String {
        host(&self.url)
    }

    /// Returns the address as the client takes it.
    pub fn uri(&self) -> Result<Uri, Failure> {
        uri(&self.url)
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether the service runs on this machine. `Url` writes an address of IPv4 with four numbers, however it was
    /// given.
    pub fn is_local(&self) -> bool {
        let name = self.url.host_str().unwrap_or_default();
        let is_loopback = name.starts_with("127.") && !name.contains(|c: char| c.is_ascii_alphabetic());
        is_loopback || name == "[::1]" || name == "localhost" || name.ends_with(".localhost")
    }

    /// Whether an address is the one of the service, or below it.
    pub fn is_above(&self, url: &Url) -> bool {
        fn place(url: &Url) -> (&str, Option<&str>, Option<u16>) {
            (url.scheme(), url.host_str(), url.port())
        }
        let folder = self.url.path().trim_end_matches('/');
        let within = url.path().strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        place(url) == place(&self.url) && within && check(url.path()).is_ok()
    }

    /// Returns the address of a script's path. A query may follow it after `?`; the one in `query` is added.
    ///
    /// # Errors
    /// The path would leave the `url`, or the query can't be sent.
    pub fn join(&self, path: &str, query: &Value) -> Result<Url, Failure> {
        let (path, inline) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        check(path).map_err(|why| refused(path, why))?;
        let mut url = self.url.clone();
        if !path.is_empty() {
            let folder = self.url.path().trim_end_matches('/');
            let below = path.strip_prefix('/').unwrap_or(path);
            url.set_path(&format!("{folder}/{}", escaped_percents(below)));
        }
        // What was checked is what is sent, by whatever way the text was written.
        if !self.is_above(&url) {
            return Err(refused(path, "it leaves the `url` of the service"));
        }
        if let Some(inline) = inline.filter(|inline| !inline.is_empty()) {
            if inline.contains(char::is_control) {
                return Err(Failure::argument("the query behind `?` holds a control character, such as a line break"));
            }
            let before = url.query().filter(|before| !before.is_empty());
            let before = before.map_or_else(String::new, |before| format!("{before}&"));
            url.set_query(Some(&format!("{before}{inline}")));
        }
        let pairs = values::pairs(query, "query")?;
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        self.check_names(&url)?;
        if url.as_str().len() > MAX_ADDRESS {
            let length = plural(url.as_str().len(), "byte");
            return Err(Failure::argument(format!("the address has {length}, and may have {MAX_ADDRESS}")));
        }
        Ok(url)
    }

    /// Checks that a script's query gives no other value to a name in the operator's: it may be a key of the API.
    fn check_names(&self, url: &Url) -> Result<(), Failure> {
        let given = self.url.query_pairs().count();
        let taken =
            url.query_pairs().skip(given).find(|(name, _)| self.url.query_pairs().any(|(taken, _)| taken == *name));
        taken.map_or(Ok(()), |(name, _)| {
            Err(Failure::argument(format!("the query can't hold `{}`, which the operator set", printable(&name))))
        })
    }
}

/// Returns an address as the client takes it.
///
/// # Errors
/// The client wouldn't.
pub(super) fn uri(url: &Url) -> Result<Uri, Failure> {
    // A redirect may have a fragment, which is the client's own.
    url[..url::Position::AfterQuery]
        .parse()
        .map_err(|error| Failure::argument(format!("the address can't be sent: {error}")))
}

/// Returns the host and the port of an address, for messages.
pub(super) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// Returns a script's path as it is shown, which isn't all of a long one.
pub(super) fn shown(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let end = path.char_indices().nth(80).map_or(path.len(), |(at, _)| at);
    let more = if end < path.len() { "..." } else { "" };
    format!("{}{more}", printable(&path[..end]))
}

fn refused(path: &str, why: &str) -> Failure {
    Failure::argument(format!("`{}` is no path below the `url` of the service: {why}", shown(path)))
}

/// Says why a path can't be sent. What servers make of a path differs, so it is looked at decoded, again and again.
fn check(path: &str) -> Result<(), &'static str> {
    if path.starts_with("//") {
        return Err("two slashes begin the name of a host");
    }
    if path.split_once("://").is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains('/')) {
        return Err("it is a whole address; scripts give what comes after the `url`");
    }
    let mut decoded = Cow::Borrowed(path.as_bytes());
    for _ in 0..=MAX_DECODINGS {
        let text = str::from_utf8(&decoded).map_err(|_| "decoded, it isn't UTF-8")?;
        if text.contains(char::is_control) {
            return Err("it holds a control character, such as a line break");
        }
        if text.contains('\\') {
            return Err("it holds a backslash, which some servers take for a slash");
        }
        // Some servers cut off what follows one of these, though it was escaped, before they look for dots.
        let name = |piece: &str| piece.split([';', '#', '?']).next().unwrap_or_default().trim().to_owned();
        if text.split('/').any(|piece| matches!(name(piece).as_str(), "." | "..")) {
            return Err("it holds `.` or `..` between slashes");
        }
        let next = Cow::<[u8]>::from(percent_decode(&decoded)).into_owned();
        if next == *decoded {
            return Ok(());
        }
        decoded = Cow::Owned(next);
    }
    Err("it is percent-encoded more than once")
}

/// Escapes each `%` that begins no escape. All else that needs it is escaped by `Url`.
fn escaped_percents(path: &str) -> String {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    let mut all = String::with_capacity(path.len());
    for (at, c) in path.char_indices() {
        all.push(c);
        if c == '%' && !is_escape(&path[at + 1..]) {
            all.push_str("25");
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn joined(base: &str, path: &str) -> String {
        match Base::new(base).and_then(|base| base.join(path, &Value::Null)) {
            Ok(url) => url.to_string(),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn a_path_is_below_the_url_with_or_without_a_slash_between_them() {
        for (base, path, url) in [
            ("https://api.example.net/v2/", "/orders/7", "https://api.example.net/v2/orders/7"),
            ("https://api.example.net/v2", "orders/7/", "https://api.example.net/v2/orders/7/"),
            ("https://api.example.net", "/", "https://api.example.net/"),
            ("https://api.example.net/v2", "", "https://api.example.net/v2"),
            ("https://api.example.net/v2", "/", "https://api.example.net/v2/"),
            ("https://api.example.net/v2", "?page=2", "https://api.example.net/v2?page=2"),
            ("http://[::1]:8080/a/", "b?c=d&e", "http://[::1]:8080/a/b?c=d&e"),
            ("http://x/a?key=k", "b?c=d", "http://x/a/b?key=k&c=d"),
            ("http://x/a?", "b?c=d", "http://x/a/b?c=d"),
            ("http://x", "/users/@me;v=1/a:b", "http://x/users/@me;v=1/a:b"),
            ("http://x", "/Zoë & co/#5/100%/%41/%zz", "http://x/Zo%C3%AB%20&%20co/%235/100%25/%41/%25zz"),
            ("http://x", "/...a/.b/c..d/e//f", "http://x/...a/.b/c..d/e//f"),
            ("http://x", "/a?b=../../c#d", "http://x/a?b=../../c%23d"),
        ] {
            assert_eq!(joined(base, path), url, "{base} {path}");
        }
    }

    #[test]
    fn a_path_cannot_leave_the_url() {
        for path in [
            "..",
            "/..",
            "../admin",
            "/a/../../admin",
            "a/..",
            "/.",
            "/./a",
            "%2e%2e/admin",
            "/%2E%2e",
            "/.%2e/a",
            "%2E./a",
            "/..%2fadmin",
            "/%2f..",
            "/a%2f..%2f..%2fadmin",
            "/%252e%252e/admin",
            "/%25252e%25252e%25252fa",
            "/..;/admin",
            "..#",
            "/..%23/admin",
            "/..%3f/admin",
            "/..;x=1/admin",
            "/%2e%2e;/a",
            "/a%5c..%5cb",
            "\\..\\admin",
            "/a\\b",
            "//evil.example/a",
            "///evil.example",
            "http://evil.example/a",
            "https://evil.example",
            "javascript://a",
            "/a\nb",
            "/a\r\nHost: b",
            "/a\0",
            "/a%0d%0ab",
            "/a%00",
            "/\t/evil.example",
            "/.\n./a",
            "/%c0%ae%c0%ae/a",
            "/ ../a",
            "/%ff",
            "/%2525252525252525252e",
            "/\u{85}a",
        ] {
            let base = Base::new("https://api.example.net/v2/").unwrap();
            let failure = base.join(path, &Value::Null).map_err(|failure| failure.kind);
            assert_eq!(failure, Err(crate::transport::FailureKind::Argument), "{path:?}");
        }
        assert_eq!(
            joined("http://x/v2", "/\x1b[31m/../b?secret"),
            "`/\\u{1b}[31m/../b` is no path below the `url` of the service: it holds a control character, such as a \
             line break"
        );
        assert!(joined("http://x", "/a?b=c\r\nd").contains("control character"));
        assert!(joined("http://x", &"a".repeat(9000)).ends_with("has 9009 bytes, and may have 8000"));
    }

    #[test]
    fn a_query_is_added_and_a_key_of_the_operator_cannot_be_changed() {
        let base = Base::new("https://api.example.net/?appid=k%26y").unwrap();
        let query = json!({ "q": "a b&c=d\r\n", "n": 5, "on": true, "tag": ["x", "y"], "none": null });
        let url = base.join("/zip?units=metric", &query).unwrap();
        assert_eq!(url.query(), Some("appid=k%26y&units=metric&n=5&on=true&q=a+b%26c%3Dd%0D%0A&tag=x&tag=y"),);
        for (path, query) in
            [("/zip?appid=1", Value::Null), ("/zip?%61ppid=1", Value::Null), ("/", json!({"appid": 1}))]
        {
            let failure = base.join(path, &query).unwrap_err();
            assert_eq!(failure.message, "the query can't hold `appid`, which the operator set");
        }
        for query in [json!(5), json!({ "a": { "b": 1 } }), json!({ "a": [[1]] })] {
            assert!(base.join("/", &query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_url_that_is_no_address_is_refused_without_its_password() {
        for url in
            ["", "api.example.net", "localhost:80/a", "ftp://a:secret@b/", "http://", "//a/b", "http://a:secret@b/#c"]
        {
            let failure = Base::new(url).unwrap_err();
            assert!(failure.message.starts_with("`url` ") && !failure.message.contains("secret"), "{failure}");
        }
        let base = Base::new("http://Me:p%40ss@127.0.0.1/v1").unwrap();
        let User { name, password } = base.user().unwrap();
        assert_eq!((name.as_str(), password.as_str()), ("Me", "p@ss"));
        assert_eq!(base.join("a", &Value::Null).unwrap().as_str(), "http://127.0.0.1/v1/a");
        assert!(!format!("{base:?}").contains("p@ss") && base.is_local());
        for local in ["https://[0:0::1]/", "http://0x7f.1", "http://LOCALHOST:80/"] {
            assert!(Base::new(local).unwrap().is_local(), "{local}");
        }
        for other in ["http://10.0.0.1", "http://127.example.net", "http://127.0.0.1.example.net"] {
            assert!(!Base::new(other).unwrap().is_local(), "{other}");
        }
    }

    #[test]
    fn a_redirect_stays_below_the_url() {
        let base = Base::new("https://api.example.net/v2").unwrap();
        for (url, is_below) in [
            ("https://api.example.net/v2/a", true),
            ("https://api.example.net:443/v2?b", true),
            ("http://api.example.net/v2/a", false),
            ("https://api.example.net:8443/v2/a", false),
            ("https://api.example.net.evil.example/v2/a", false),
            ("https://api.example.net@evil.example/v2/a", false),
            ("https://api.example.net/v2/../admin", false),
            ("https://api.example.net/v2/..%2fadmin", false),
            ("https://api.example.net/v22", false),
        ] {
            assert_eq!(base.is_above(&Url::parse(url).unwrap()), is_below, "{url}");
        }
    }

    /// Returns paths that are made of what addresses are made of.
    fn hostile_path() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("/"),
            Just(".."),
            Just("."),
            Just("%2e"),
            Just("%2E"),
            Just("%2f"),
            Just("%5c"),
            Just("\\"),
            Just("%25"),
            Just("2e"),
            Just("//"),
            Just("@"),
            Just(":"),
            Just(";"),
            Just("?"),
            Just("#"),
            Just("\n"),
            Just("\t"),
            Just("\0"),
            Just("http:"),
            Just("evil.example"),
            Just("%"),
            Just("%0a"),
            Just("é"),
            Just("．"),
            Just(" "),
            Just("a"),
            Just("8080"),
        ];
        prop_oneof![proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat()), any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_a_path_holds_its_address_is_below_the_url(
            path in hostile_path(),
            base in prop_oneof![
                Just("https://api.example.net/v2/"), Just("http://api.example.net:8080/a/b"), Just("http://[::1]"),
                Just("http://u:p@x/?k=v"),
            ],
        ) {
            let base = Base::new(base).unwrap();
            if let Ok(url) = base.join(&path, &Value::Null) {
                // As a client, a proxy and a careless server read it.
                let again = Url::parse(url.as_str()).unwrap();
                let without_query = url.as_str().split('?').next().unwrap();
                let careless = Url::parse(&percent_decode_str(without_query).decode_utf8_lossy());
                prop_assert_eq!(&again, &url);
                prop_assert!(url.as_str().parse::<hyper::Uri>().is_ok(), "{}", url);
                for read in [again, careless.unwrap()] {
                    prop_assert_eq!(read.scheme(), base.url.scheme());
                    prop_assert_eq!(read.host(), base.url.host());
                    prop_assert_eq!(read.port(), base.url.port());
                    prop_assert_eq!((read.username(), read.password()), ("", None));
                    let folder = base.url.path().trim_end_matches('/');
                    let rest = read.path().strip_prefix(folder);
                    prop_assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')), "{}", read);
                }
                prop_assert!(url.as_str().is_ascii() && !url.as_str().contains(|c: char| c.is_control() || c == ' '));
            }
        }
    }
}
