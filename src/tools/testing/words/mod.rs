//! The words of tests, by what they do.

mod acting;
pub(super) mod asterisk;
mod expecting;
mod hearing;
mod looking;
mod place_call;
mod saying;
mod services;

pub(super) use acting::{go_to, hang_up, press, send_text, set_variable, speak, wait};
pub(super) use expecting::{
    expect, expect_database, expect_end, expect_equal, expect_fault, expect_log, expect_number, expect_prompt,
    expect_variable,
};
pub(super) use hearing::{heard, next_digits, next_number, next_prompt, wait_for, wait_for_question};
pub(super) use looking::{database, ending, executed, log, seconds, variable};
pub(super) use place_call::{keep_functions, place_call};
pub(super) use saying::{expect_said, expect_spoken};
pub use services::NO_SQL;
pub(super) use services::{
    answer_http, answer_program, answer_sql, ask_store, expect_call_out, expect_http, expect_job, expect_mail,
    expect_sql_value, run_jobs, service_is_down, service_is_slow, set_up_sql,
};
