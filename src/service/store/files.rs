//! Files that the operator names.

use crate::transport::Failure;
use std::path::Path;

/// Reads a file that the operator names, such as that of the password.
pub(super) async fn read(what: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let read = tokio::task::spawn_blocking({
        let path = path.to_owned();
        move || std::fs::read(path)
    });
    let problem = match read.await {
        Ok(Ok(bytes)) => return Ok(bytes),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(Failure::unavailable(format!("the {what} of `[store]`, {}, can't be read: {problem}", path.display())))
}

/// Reads a password from its file, without the end of the line.
pub(super) async fn read_password(path: &Path) -> Result<String, Failure> {
    let bytes = read("`password_file`", path).await?;
    let not_text = |_| Failure::unavailable(format!("the password in {} is not UTF-8", path.display()));
    let text = String::from_utf8(bytes).map_err(not_text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
