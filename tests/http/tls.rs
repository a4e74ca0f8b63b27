//! Servers with TLS, and what is wrong with their certificates.

use super::backend::{Backend, read_request, response};
use super::{Answer, ask, services};
use crate::support::process::Folder;
use agi_rhai::service::{Services, Settings};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

const LATE: Duration = Duration::from_secs(5);

/// An authority, and the file with its certificate.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: Folder,
    pub file: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = Folder::new();
        let file = folder.file("ca.pem", issuer.pem());
        Self { issuer, folder, file }
    }

    /// Issues a certificate for this machine, and writes it to `server.pem` and `server.key` in this folder.
    pub fn issue_to(&self, folder: &Folder) {
        let key = KeyPair::generate().unwrap();
        let certificate = params(&["localhost", "127.0.0.1"]).signed_by(&key, &self.issuer).unwrap();
        folder.file("server.pem", certificate.pem());
        folder.file("server.key", key.serialize_pem());
    }

    /// Issues a certificate for these names, after a change.
    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = params(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key.into())
    }
}

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// Starts a server with this certificate.
fn server((certificate, key): Identity) -> Backend {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    Backend::accepting(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut reader = BufReader::new(StreamOwned::<_, TcpStream>::new(connection, stream));
        while read_request(&mut reader).is_some() {
            if reader.get_mut().write_all(&response("200 OK", "", "safe")).is_err() {
                return;
            }
        }
    })
}

fn ask_at(url: &str, ca_file: Option<&str>) -> Answer {
    let ca = ca_file.map_or_else(String::new, |file| format!("ca_file = '{file}'"));
    let services = services(&format!("[http.api]\nurl = '{url}'\ntimeout = '4s'\n{ca}"));
    ask(&services, r#"http_get("api", "a")"#)
}

#[test]
fn a_certificate_of_the_authority_in_ca_file_is_trusted() {
    let authority = Authority::new();
    let server = server(authority.issue(&["localhost", "127.0.0.1"], |_| {}));
    let port = server.address.port();
    for host in ["localhost", "127.0.0.1"] {
        let answer = ask_at(&format!("https://{host}:{port}"), Some(&authority.file));
        assert_eq!((&answer.value["status"], &answer.value["body"]), (&200.into(), &"safe".into()), "{answer:?}");
    }
    // The same certificate without `ca_file`, and with that of another authority.
    let url = format!("https://localhost:{port}");
    let words = [&format!("the certificate of localhost:{port} is signed by nobody"), "in `ca_file`"];
    ask_at(&url, None).fails("unavailable", &words, LATE);
    ask_at(&url, Some(&Authority::new().file)).fails("unavailable", &words, LATE);
}

/// An edit of the file is an edit of the settings: the next request trusts whom the new certificate names.
#[test]
fn an_edited_ca_file_takes_effect() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = server(new.issue(&["localhost"], |_| {}));
    let folder = Folder::new();
    let ca = folder.file("ca.pem", std::fs::read_to_string(&old.file).unwrap());
    let url = format!("https://localhost:{}", server.address.port());
    let file = folder.file("agi-rhai.toml", format!("[http.api]\nurl = '{url}'\ntimeout = '4s'\nca_file = 'ca.pem'"));
    let services = Services::new(Settings::read(file.as_ref()).unwrap());
    ask(&services, r#"http_get("api", "a")"#).fails("unavailable", &["signed by nobody"], LATE);
    std::fs::copy(&new.file, ca).unwrap();
    services.update(Settings::read(file.as_ref()).unwrap());
    assert_eq!(ask(&services, r#"http_get("api", "a")"#).value["body"], "safe");
}

/// An embedder may make settings without reading a file. Then nobody has read the files that they name.
#[test]
fn settings_whose_files_nobody_has_read_are_refused() {
    let folder = Folder::new();
    let secret = folder.file("secret", "secret");
    for settings in [
        format!("[http.api]\nurl = 'http://127.0.0.1:1'\ntoken_file = '{secret}'"),
        format!("[http.api]\nurl = 'https://127.0.0.1:1'\nca_file = '{secret}'"),
    ] {
        let services = Services::new(toml::from_str(&settings).unwrap());
        let answer = ask(&services, r#"http_get("api", "a")"#);
        answer.fails("argument", &["was not read, as `Settings::read` does"], LATE);
    }
}

#[test]
fn a_wrong_certificate_says_what_is_wrong() {
    let authority = Authority::new();
    let trusted = Some(authority.file.as_str());
    let ask_with = |identity| {
        let server = server(identity);
        ask_at(&format!("https://localhost:{}", server.address.port()), trusted)
    };
    let expired = authority.issue(&["localhost"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    ask_with(expired).fails("unavailable", &["the certificate of localhost:", "has expired"], LATE);
    let early = authority.issue(&["localhost"], |params| params.not_before = date_time_ymd(4000, 1, 1));
    ask_with(early).fails("unavailable", &["isn't valid yet", "clock"], LATE);
    let other = authority.issue(&["api.example.net"], |_| {});
    ask_with(other).fails("unavailable", &["is for another name", "api.example.net"], LATE);
    let client = authority.issue(&["localhost"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    ask_with(client).fails("unavailable", &["the certificate of localhost:", "isn't valid"], LATE);
    // Signed by nobody but itself, as many tools make it.
    let key = KeyPair::generate().unwrap();
    let own = params(&["localhost"]).self_signed(&key).unwrap();
    ask_with((own.der().clone(), key.into())).fails("unavailable", &["signed by nobody", "in `ca_file`"], LATE);
    let key = KeyPair::generate().unwrap();
    let mut both = params(&["localhost"]);
    both.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = both.self_signed(&key).unwrap();
    let file = authority.folder.file("both.pem", own.pem());
    let server = server((own.der().clone(), key.into()));
    let url = format!("https://localhost:{}", server.address.port());
    ask_at(&url, Some(&file)).fails("unavailable", &["it is an authority's own", "`ca_file`"], LATE);
}

#[test]
fn a_server_without_tls_is_recognised_and_one_with_it_too() {
    let plain = Backend::accepting(|mut stream| {
        let _ = stream.write_all(&response("400 Bad Request", "", "no TLS here"));
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let answer = ask_at(&format!("https://{}", plain.address), None);
    answer.fails("unavailable", &["answers without TLS", "`http://` in `url`"], LATE);
    let silent = Backend::accepting(drop);
    ask_at(&format!("https://{}", silent.address), None).fails("unavailable", &["broke the connection off"], LATE);
    let authority = Authority::new();
    let server = server(authority.issue(&["localhost"], |_| {}));
    ask_at(&format!("http://{}", server.address), None).fails("failed", &["isn't HTTP"], LATE);
}
