//! `agi-rhai completions` and `agi-rhai man`: completions for shells and manual pages, generated from the options.

use crate::out;
use clap::ValueHint;
use clap_complete::Shell;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The date of the manual pages: when the options were last revised.
const PAGES_DATE: &str = "2026-11-24";

/// Prints a script with which a shell completes the options of `agi-rhai`
#[derive(Debug, clap::Args)]
#[command(after_help = "Bash: agi-rhai completions bash > ~/.local/share/bash-completion/completions/agi-rhai\nZsh:  \
                        agi-rhai completions zsh > ~/.zfunc/_agi-rhai    (with `fpath+=~/.zfunc` before `compinit` in \
                        ~/.zshrc)\nFish: agi-rhai completions fish > ~/.config/fish/completions/agi-rhai.fish")]
pub struct CompletionsOptions {
    /// The shell
    shell: Shell,
}

/// Prints the manual page, or writes all pages to a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "To read it at once: agi-rhai man | man -l -\nTo install: agi-rhai man ~/.local/share/man/man1")]
pub struct ManOptions {
    /// Folder for the pages: agi-rhai.1, and one for each subcommand
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,
}

pub fn completions(options: &CompletionsOptions, program: &clap::Command) -> ExitCode {
    let mut shown = program.clone();
    if matches!(options.shell, Shell::Bash | Shell::Zsh) {
        // Without the SCRIPT argument, which would take the place of the subcommands; scripts are added below.
        shown = clap::Command::new("agi-rhai")
            .version(env!("CARGO_PKG_VERSION"))
            .disable_help_subcommand(true)
            .args(program.get_arguments().filter(|argument| !argument.is_positional()))
            .subcommands(program.get_subcommands());
    }
    let mut script = Vec::new();
    // In bash, a hyphen would separate the program from its subcommands, so it gets another name at first.
    let name = if options.shell == Shell::Bash { "agi_rhai" } else { "agi-rhai" };
    clap_complete::generate(options.shell, &mut shown, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let script = match options.shell {
        Shell::Bash => with_files_in_bash(&script, program),
        // Scripts are completed in the same place as subcommands.
        Shell::Zsh => script.replace(
            "_describe -t commands 'agi-rhai commands' commands \"$@\"",
            "_describe -t commands 'agi-rhai commands' commands \"$@\"\n    _files",
        ),
        _ => script,
    };
    print(&script)
}

/// Makes bash complete files where nothing else is offered: options are offered only after a `-`, unless the argument
/// is one of a list of words.
fn with_files_in_bash(script: &str, program: &clap::Command) -> String {
    let mut script = script.replace("-o default agi_rhai", "-o default agi-rhai");
    let has_words = |command: &clap::Command| {
        command.has_subcommands() || command.get_positionals().any(|one| !one.get_possible_values().is_empty())
    };
    for command in program.get_subcommands().filter(|command| !has_words(command)) {
        let Some(start) = script.find(&format!(" agi_rhai__subcmd__{})\n", command.get_name())) else { continue };
        for always in [
            " || ${COMP_CWORD} -eq 2",
            "            COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )\n            return",
        ] {
            if let Some(at) = script[start..].find(always) {
                let left = if always.ends_with("return") { "            return" } else { "" };
                script.replace_range(start + at..start + at + always.len(), left);
            }
        }
    }
    script
}

pub fn man(options: &ManOptions, mut program: clap::Command) -> ExitCode {
    program.build();
    let Some(folder) = &options.folder else { return print(&page(&program)) };
    let written = std::fs::create_dir_all(folder).and_then(|()| write_all(&program, folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(format_args!("cannot write to {}: {error}", folder.display()));
            ExitCode::from(2)
        }
    }
}

/// Writes the page of a command and those of its subcommands.
fn write_all(command: &clap::Command, folder: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    std::fs::write(folder.join(format!("{name}.1")), page(command))?;
    command.get_subcommands().try_for_each(|subcommand| write_all(subcommand, folder))
}

fn page(command: &clap::Command) -> String {
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = clap_mangen::Man::new(command.clone())
        .date(PAGES_DATE)
        .source(concat!("agi-rhai ", env!("CARGO_PKG_VERSION")))
        .manual("agi-rhai")
        .render(&mut page);
    // mandoc warns of breaks around an empty line.
    String::from_utf8_lossy(&page).replace("\n.br\n\n.br\n", "\n.sp\n")
}

fn print(text: &str) -> ExitCode {
    out::text(text);
    ExitCode::SUCCESS
}
