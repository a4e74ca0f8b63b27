//! The answer to a request, and the protocol's errors.

use lsp_server::{ErrorCode, ResponseError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The answer to a request.
pub type Answer = Result<Value, ResponseError>;

pub fn error(code: ErrorCode, message: &str) -> ResponseError {
    ResponseError { code: code as i32, message: message.to_owned(), data: None }
}

/// Parses the parameters of a request.
pub fn params<T: DeserializeOwned>(params: Value) -> Result<T, ResponseError> {
    serde_json::from_value(params).map_err(|problem| error(ErrorCode::InvalidParams, &problem.to_string()))
}

/// Serialises a result.
pub fn value(result: impl Serialize) -> Answer {
    serde_json::to_value(result).map_err(|problem| error(ErrorCode::InternalError, &problem.to_string()))
}
