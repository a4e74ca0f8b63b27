//! The page: in the program, or in the folder it was built in.

use super::answer::{Answer, bytes, refusal};
use anyhow::{Result, bail};
use flate2::read::GzDecoder;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/page.rs"));

const INDEX: &str = "index.html";
/// What stands before the page's own policy in it.
const POLICY: &str = "http-equiv=\"Content-Security-Policy\" content=\"";

/// Where the files of the page are.
pub enum Page {
    Packed,
    In(PathBuf),
}

impl Page {
    /// Finds the page: in the named folder, or in the program.
    pub fn find(named: Option<&Path>) -> Result<Self> {
        if named.is_none() && !PACKED.is_empty() {
            return Ok(Self::Packed);
        }
        let Some(folder) = named.or(BUILT.map(Path::new)) else {
            bail!(
                "this program was built without the page: run playground/build in a checkout of agi-rhai, and name what \
                 that makes with --page playground/web/dist; or build this program again after it"
            );
        };
        if !folder.join(INDEX).is_file() {
            bail!("there is no {}: playground/build makes the page", folder.join(INDEX).display());
        }
        Ok(Self::In(folder.to_owned()))
    }

    /// Answers a request for a file of the page.
    pub fn answer(&self, path: &str, headers: &HeaderMap) -> Answer {
        let name = if path == "/" { INDEX } else { path.strip_prefix('/').unwrap_or(path) };
        let Some((content, is_packed)) = self.read(name) else {
            return refusal(StatusCode::NOT_FOUND, "there is no such page");
        };
        let unpacked = |content: &[u8]| {
            let mut text = Vec::new();
            GzDecoder::new(content).read_to_end(&mut text).map(|_| text)
        };
        let (content, is_packed, policy) = if name == INDEX {
            let text = if is_packed { unpacked(&content).unwrap_or_default() } else { content };
            let text = String::from_utf8_lossy(&text);
            // So it knows that it isn't the playground.
            (text.replacen("<html ", "<html data-studio ", 1).into_bytes(), false, policy(&text))
        } else {
            (content, is_packed, None)
        };
        let etag = format!("\"{}\"", hex(&Sha256::digest(&content)));
        let accepts = |name: header::HeaderName, word: &str| {
            let values = headers.get_all(name);
            values.iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains(word))
        };
        let stays_packed = is_packed && accepts(header::ACCEPT_ENCODING, "gzip");
        let mut answer = if accepts(header::IF_NONE_MATCH, &etag) {
            bytes(StatusCode::NOT_MODIFIED, media_type(name), Vec::new())
        } else if is_packed && !stays_packed {
            match unpacked(&content) {
                Ok(text) => bytes(StatusCode::OK, media_type(name), text),
                Err(error) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            }
        } else {
            bytes(StatusCode::OK, media_type(name), content)
        };
        let headers = answer.headers_mut();
        if stays_packed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        // Kept by the browser, and asked for each time: the next program may have another one.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, etag);
        }
        if let Some(policy) = policy.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        answer
    }

    /// Returns the content of a file, and whether it is packed.
    fn read(&self, name: &str) -> Option<(Vec<u8>, bool)> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.starts_with('.') || !name.chars().all(is_name) {
            return None;
        }
        match self {
            Self::Packed => {
                PACKED.iter().find(|(known, _)| *known == name).map(|(_, content)| (content.to_vec(), true))
            }
            Self::In(folder) => {
                let path = folder.join(name);
                path.is_file().then(|| std::fs::read(path).ok()).flatten().map(|content| (content, false))
            }
        }
    }
}

/// Returns the page's own policy, and that no other page shows it: a page can't say that of itself.
fn policy(page: &str) -> Option<String> {
    let (_, rest) = page.split_once(POLICY)?;
    let (policy, _) = rest.split_once('"')?;
    Some(format!("{policy}; frame-ancestors 'none'"))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
