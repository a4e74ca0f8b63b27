//! The shape of an answer, and errors in the protocol's terms.

use lsp_server::{ErrorCode, ResponseError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a request that cannot be carried out is answered with.
pub type Answer = Result<Value, ResponseError>;

pub fn error(code: ErrorCode, message: &str) -> ResponseError {
    ResponseError { code: code as i32, message: message.to_owned(), data: None }
}

/// The parameters of a request, or the answer that they are none.
pub fn params<T: DeserializeOwned>(params: Value) -> Result<T, ResponseError> {
    serde_json::from_value(params).map_err(|problem| error(ErrorCode::InvalidParams, &problem.to_string()))
}

/// A result for the wire.
pub fn value(result: impl Serialize) -> Answer {
    serde_json::to_value(result).map_err(|problem| error(ErrorCode::InternalError, &problem.to_string()))
}
