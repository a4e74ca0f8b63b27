//! Questions, menus and phrases, on a real Asterisk.
