//! Mail through a real server: Exim, which delivers into folders.

use super::{Site, wait_long};
use crate::http::tls::Authority;
use crate::support::backend::{Backend, is_skipped, program};
use crate::support::server::wait_until;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The password of `ivr`.
const PASSWORD: &str = "geheim/123";

/// A mail server, and who vouches for its certificate.
pub struct MailServer(pub Backend, Authority);

impl MailServer {
    pub fn start() -> Result<Self, String> {
        Self::start_with(&[])
    }

    /// The same, with further options.
    pub fn start_with(options: &'static [&'static str]) -> Result<Self, String> {
        let exim = program("exim4", "exim4-daemon-light")?;
        let (authority, folder) = (Authority::new(), Backend::new_folder());
        let path = folder.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        authority.issue_to(&folder);
        folder.file("exim.conf", CONFIGURATION.replace("@FOLDER@", &path).replace("@PASSWORD@", PASSWORD));
        for name in ["spool", "logs", "mail"] {
            std::fs::create_dir_all(folder.path(name)).unwrap();
        }
        // It reads and writes as its own user.
        let given = Command::new("chown")
            .args(["-R", "Debian-exim:Debian-exim"])
            .args(["spool", "logs", "mail", "server.key"].map(|name| folder.path(name)))
            .output();
        assert!(given.unwrap().status.success(), "exim's user is missing");
        std::fs::set_permissions(folder.path("exim.conf"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let backend = Backend::start(folder, move |folder, port| {
            let mut command = Command::new(&exim);
            command.arg("-C").arg(folder.join("exim.conf")).args(["-bdf", "-q1s"]);
            command.arg("-oX").arg(format!("127.0.0.1.{port}")).args(options);
            command
        });
        Ok(Self(backend, authority))
    }

    /// Returns the mails that have arrived.
    pub fn mails(&self) -> Vec<String> {
        let folder = self.0.folder.path("mail/new");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect()
    }

    pub fn settings(&self, more: &str) -> String {
        let port = self.0.port;
        format!(
            "[mail.office]\nurl = 'smtp://127.0.0.1:{port}'\nfrom = 'IVR <ivr@example.net>'\nto = ['*@example.net']\n\
             attach = ['@FOLDER@/recordings']\ntimeout = '5s'\n{more}"
        )
    }
}

const CONFIGURATION: &str = "\
FOLDER = @FOLDER@
primary_hostname = mail.example.net
spool_directory = FOLDER/spool
log_file_path = FOLDER/logs/%slog
pid_file_path = FOLDER/spool/exim.pid
keep_environment =
tls_advertise_hosts = *
tls_certificate = FOLDER/server.pem
tls_privatekey = FOLDER/server.key
acl_smtp_rcpt = rcpt
acl_smtp_data = data
never_users =
message_size_limit = 50M
host_lookup =
rfc1413_hosts =
begin acl
rcpt:
  deny message = no such user here
       local_parts = nobody-here
  accept
data:
  accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = FOLDER/mail
  maildir_format
  user = Debian-exim
  create_directory
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{ivr}}{eq{$auth3}{@PASSWORD@}}}}
  server_set_id = $auth2
";

const SENDS: &str = r#"
    answer();
    mail("office", #{ to: ["a@example.net", "Bob <b@example.net>"], subject: "Grüße: 1", text: "Hello\n.\nthere",
        attach: ["@FOLDER@/recordings/1.wav"] });
    verbose("written down");
"#;

/// Records something that is gone after the call.
fn record(site: &Site) {
    site.folder.file("recordings/1.wav", b"RIFF\0\0\0\0WAVEfmt nothing to hear");
}

fn forget(site: &Site) {
    std::fs::remove_file(site.folder.path("recordings/1.wav")).unwrap();
}

fn check_arrived(mail: &str) {
    for part in [
        "From: IVR <ivr@example.net>",
        "To: a@example.net, Bob <b@example.net>",
        "Subject: =?utf-8?b?",
        "Content-Disposition: attachment; filename=\"1.wav\"",
        "Content-Type: audio/wav",
        "UklGRgAAAABXQVZFZm10IG5vdGhpbmcgdG8gaGVhcg==",
    ] {
        assert!(mail.contains(part), "no {part:?} in {mail}");
    }
}

#[test]
fn mail_arrives_with_a_recording_that_is_gone_after_the_call() {
    let server = MailServer::start();
    if is_skipped("mail", server.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let exim = server.unwrap();
    let site = Site::new(&exim.settings(""));
    site.script("t", SENDS);
    record(&site);
    assert_eq!(site.play("t"), ["written down"], "{}", site.log());
    forget(&site);
    wait_until("it has arrived", || exim.mails().len() == 2);
    exim.mails().iter().for_each(|mail| check_arrived(mail));
    wait_until("it is done", || site.left().is_empty());

    let served = site.serve();
    record(&site);
    assert_eq!(served.call("t").play().said(), ["written down"]);
    forget(&site);
    wait_until("it has arrived", || exim.mails().len() == 4);
    wait_until("it is done", || site.left().is_empty());
    assert!(!served.log().contains("WARN"), "{}", served.log());
}

#[test]
fn what_may_not_be_mailed_is_refused_at_once() {
    let site = Site::new(
        "[mail.office]\nurl = 'smtp://127.0.0.1:9'\nfrom = 'ivr@example.net'\nto = ['*@example.net', 'boss@example.org']\n\
         attach = ['@FOLDER@/recordings']\nmax_size = '10KiB'\n",
    );
    record(&site);
    site.folder.file("recordings/large.wav", vec![0; 20_000]);
    site.folder.file("secret.txt", "secret");
    std::os::unix::fs::symlink(site.folder.path("secret.txt"), site.folder.path("recordings/link.txt")).unwrap();
    let fifo = Command::new("mkfifo").arg(site.folder.path("recordings/fifo")).status();
    assert!(fifo.unwrap().success());
    let cases = [
        (r#"to: "a@example.org""#, "may not be written to"),
        (r#"to: "a@example.net.evil.org""#, "may not be written to"),
        (r#"to: "a@example.net\nBcc: c@evil.org""#, "isn't an address"),
        (r#"to: []"#, "must hold 1 to 100"),
        (r#"to: "boss@example.org", subject: "x\r\nBcc: c@evil.org""#, "must be one line"),
        (r#"to: "a@example.net", attach: "@FOLDER@/recordings/2.wav""#, "can't be attached"),
        (r#"to: "a@example.net", attach: "@FOLDER@/secret.txt""#, "in none of the folders"),
        (r#"to: "a@example.net", attach: "@FOLDER@/recordings/../secret.txt""#, "in none of the folders"),
        (r#"to: "a@example.net", attach: "@FOLDER@/recordings/link.txt""#, "in none of the folders"),
        (r#"to: "a@example.net", attach: "/etc/passwd""#, "in none of the folders"),
        (r#"to: "a@example.net", attach: "@FOLDER@/recordings/fifo""#, "isn't a regular file"),
        (r#"to: "a@example.net", attach: "@FOLDER@/recordings/large.wav""#, "larger than 10240 bytes"),
    ];
    let mut script = String::from("answer();\n");
    for (message, _) in &cases {
        let subject = if message.contains("subject") { "" } else { ", subject: \"x\"" };
        script.push_str(&format!(
            "try {{ mail(\"office\", #{{ {message}{subject}, text: \"y\" }}); verbose(\"sent\"); }} \
             catch (e) {{ verbose(`${{e.kind}}: ${{e.message}}`); }}\n"
        ));
    }
    site.script("t", &script);
    let said = site.play("t");
    assert_eq!(said.len(), cases.len(), "{said:#?} {}", site.log());
    for (said, (message, because)) in said.iter().zip(cases) {
        assert!(said.starts_with("argument: mail: ") && said.contains(because), "{message}: {said}");
    }
    assert_eq!(site.left(), Vec::<serde_json::Value>::new());
}

#[test]
fn a_mail_that_is_refused_for_good_is_given_up_and_stays_in_the_list() {
    let server = MailServer::start();
    if is_skipped("mail", server.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let exim = server.unwrap();
    let site = Site::new(&exim.settings(""));
    site.script("t", r#"answer(); mail("office", #{ to: "nobody-here@example.net", subject: "x", text: "y" });"#);
    let served = site.serve();
    served.call("t").play();
    wait_until("it was refused", || site.left().first().is_some_and(|job| job["attempts"] == 1));
    let id = site.left()[0]["id"].to_string();
    for _ in 0..4 {
        let (code, text) = site.jobs(&["run", &id]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("no such user here"), "{text}");
    }
    let left = site.left();
    assert_eq!((&left[0]["due"], &left[0]["attempts"]), (&serde_json::Value::Null, &5.into()));
    let (_, text) = site.jobs(&[]);
    assert!(text.contains("mail to nobody-here@example.net  office") && text.contains("never"), "{text}");
}

#[test]
fn mail_survives_servers_that_are_down_slow_or_talk_nonsense() {
    let server = MailServer::start();
    if is_skipped("mail", server.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let exim = server.unwrap();
    let site = Site::new(&exim.settings("").replace("5s", "1s"));
    site.script("t", SENDS);
    record(&site);
    let served = site.serve();
    let send = || assert_eq!(served.call("t").play().said(), ["written down"]);
    exim.0.kill();
    send();
    wait_until("it can't be sent", || site.left().iter().any(|job| job["attempts"] == 1));
    // Somebody else has the port, and talks nonsense.
    let nonsense = TcpListener::bind(("127.0.0.1", exim.0.port)).unwrap();
    nonsense.set_nonblocking(true).unwrap();
    let id = site.left()[0]["id"].to_string();
    let talking = std::thread::spawn(move || {
        for _ in 0..300 {
            if let Ok((mut peer, _)) = nonsense.accept() {
                let _ = std::io::Write::write_all(&mut peer, b"HTTP/1.1 200 OK\r\n\x1b[2Jnonsense\r\n\r\n");
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
    let (code, text) = site.jobs(&["run", &id]);
    assert_eq!(code, 1, "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    talking.join().unwrap();
    exim.0.start_again();
    {
        let _paused = exim.0.pause();
        let (code, text) = site.jobs(&["run", &id]);
        assert_eq!(code, 1, "{text}");
    }
    let (code, text) = site.jobs(&["run", &id]);
    assert_eq!(code, 0, "{text}");
    wait_long("it has arrived", || exim.mails().len() >= 2);
    check_arrived(&exim.mails()[0]);
    send();
    wait_long("all have arrived", || exim.mails().len() >= 4);
    wait_long("none is left", || site.left().is_empty());
}

#[test]
fn mail_goes_over_tls_with_a_password_from_a_file() {
    let server = MailServer::start();
    if is_skipped("mail", server.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let exim = server.unwrap();
    let port = exim.0.port;
    let site = Site::new(&format!(
        "[mail.office]\nurl = 'smtp://ivr@localhost:{port}?tls=required'\npassword_file = '@FOLDER@/password'\n\
         ca_file = '{}'\nfrom = 'ivr@example.net'\nto = ['*']\ntimeout = '5s'\n",
        exim.1.file
    ));
    site.folder.file("password", format!("{PASSWORD}\n"));
    site.script("t", r#"answer(); mail("office", #{ to: "a@example.net", subject: "x", text: "y" });"#);
    let served = site.serve();
    served.call("t").play();
    wait_until("it has arrived", || exim.mails().len() == 1);
    let mail = exim.mails()[0].clone();
    assert!(mail.contains("with esmtpsa") || mail.contains("esmtpsa"), "{mail}");

    // A wrong password, and a certificate that nobody has vouched for.
    site.folder.file("password", "wrong\n");
    served.wait_for_log("agi-rhai.toml");
    served.call("t").play();
    wait_long("it is refused or sent", || !site.left().is_empty() || exim.mails().len() > 1);
    assert!(!served.log().contains(PASSWORD) && !served.log().contains("geheim%2F"), "{}", served.log());
}

#[test]
fn mail_goes_over_smtps_to_a_server_whose_authority_is_known() {
    // It speaks TLS from the first byte on.
    let server = MailServer::start_with(&["-tls-on-connect"]);
    if is_skipped("mail over smtps", server.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let exim = server.unwrap();
    let settings = |more: &str| {
        let url = format!("smtps://localhost:{}", exim.0.port);
        format!("[mail.office]\nurl = '{url}'\nfrom = 'ivr@example.net'\nto = ['*']\ntimeout = '5s'\n{more}\n")
    };
    let script = r#"answer(); mail("office", #{ to: "a@example.net", subject: "x", text: "y" });"#;
    let site = Site::new(&settings(&format!("ca_file = '{}'", exim.1.file)));
    site.script("t", script);
    site.play("t");
    wait_until("it has arrived", || exim.mails().len() == 1);
    let served = site.serve();
    served.call("t").play();
    wait_until("it has arrived", || exim.mails().len() == 2);
    assert!(exim.mails().iter().all(|mail| mail.contains("with esmtps")), "{:?}", exim.mails());

    let other = Authority::new();
    for more in [String::new(), format!("ca_file = '{}'", other.file)] {
        let site = Site::new(&settings(&more));
        site.script("t", script);
        let served = site.serve();
        served.call("t").play();
        wait_until("it is refused", || site.left().iter().any(|job| job["attempts"] == 1));
        let left = site.left();
        let error = left[0]["error"].as_str().unwrap();
        assert!(error.ends_with("is signed by nobody known here; `ca_file` names an authority to trust"), "{error}");
    }
    assert_eq!(exim.mails().len(), 2);
}
