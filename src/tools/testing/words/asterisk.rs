//! What the words do in a function that stands in for something of the dialplan: there they play Asterisk's part.

use super::expecting::expect_text;
use crate::tools::testing::args::{Args, WordError, WordResult, text_or_unit};
use crate::tools::testing::stand_in::AsteriskPart;
use rhai::Dynamic;

pub fn wait(part: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    let length = args.duration(0)?;
    let mut channel = part.channel();
    let until = channel.now() + length;
    part.line().state().show(&channel);
    let stays = channel.idle(until);
    if stays { Ok(Dynamic::UNIT) } else { end_by_hangup(part) }
}

fn end_by_hangup(part: &AsteriskPart) -> WordResult {
    part.end_by_hangup();
    Err(WordError::Over)
}

pub fn hang_up(part: &AsteriskPart, _: &mut Args<'_, '_>) -> WordResult {
    part.channel().hangup(None);
    end_by_hangup(part)
}

pub fn go_to(part: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    let context = args.word(0)?;
    let extension = if args.has(1) { args.word(1)? } else { "s".to_owned() };
    let priority = if args.has(2) { args.word(2)? } else { "1".to_owned() };
    let mut channel = part.channel();
    channel.set_context(&context);
    channel.set_extension(&extension);
    if !channel.set_priority(&priority) {
        return Err(args.misuse(2, "a number: the simulated dialplan has no labels"));
    }
    part.end_by_move();
    Err(WordError::Over)
}

pub fn set_variable(part: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    let (name, value) = (args.word(0)?, args.kept_text(1)?);
    part.channel().set_variable(&name, &value);
    Ok(Dynamic::UNIT)
}

pub fn variable(part: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    let name = args.word(0)?;
    Ok(text_or_unit(part.channel().get_variable(&name)))
}

pub fn expect_variable(part: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    let name = args.word(0)?;
    let actual = part.channel().get_variable(&name);
    expect_text(&format!("the variable {name}"), actual, &args.value(1))
}

pub fn database(part: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    let (family, key) = (args.word(0)?, args.word(1)?);
    Ok(text_or_unit(part.channel().database().get(&family, &key)))
}

pub fn expect_database(part: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    let (family, key) = (args.word(0)?, args.word(1)?);
    let actual = part.channel().database().get(&family, &key);
    expect_text(&format!("{family}/{key} in AstDB"), actual, &args.value(2))
}

pub fn expect(_: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    super::expecting::judge(args)
}

pub fn expect_equal(_: &AsteriskPart, args: &mut Args<'_, '_>) -> WordResult {
    super::expecting::compare(args)
}

#[expect(clippy::unnecessary_wraps, reason = "all words have one type")]
pub fn seconds(part: &AsteriskPart, _: &mut Args<'_, '_>) -> WordResult {
    let state = part.line().state();
    Ok((state.now - state.began).as_secs_f64().into())
}
