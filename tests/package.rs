//! The published crate holds everything its users need, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// Returns the files of the package, as Cargo lists them.
fn packaged() -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--list", "--allow-dirty", "--offline"]).current_dir(PROJECT);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_package_holds_what_its_users_need() {
    let files = packaged();
    let mut entries: BTreeSet<&str> = files.iter().map(|file| file.split('/').next().unwrap()).collect();
    // Cargo's own record of the commit, in a git repository.
    entries.remove(".cargo_vcs_info.json");
    let expected = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "Cargo.toml.orig",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "build.rs",
        "docs",
        "examples",
        "src",
    ];
    assert_eq!(entries.into_iter().collect::<Vec<_>>(), expected);
}

/// Files that the source includes are packaged too, or the package would not compile.
#[test]
fn the_package_holds_what_its_source_includes() {
    let files = packaged();
    let mut found = 0;
    for file in
        files.iter().filter(|file| file.starts_with("src/") && Path::new(file).extension().is_some_and(|e| e == "rs"))
    {
        let text = std::fs::read_to_string(Path::new(PROJECT).join(file)).unwrap();
        for (at, start) in text.match_indices("include_str!(\"") {
            let name = text[at + start.len()..].split('"').next().unwrap();
            let folder = Path::new(file).parent().unwrap();
            let target = Path::new(PROJECT).join(folder).join(name).canonicalize();
            let target = target.unwrap_or_else(|error| panic!("{file} includes {name}: {error}"));
            let target =
                target.strip_prefix(Path::new(PROJECT).canonicalize().unwrap()).unwrap().to_str().unwrap().to_owned();
            assert!(files.contains(&target), "{file} includes {target}, which is not packaged");
            found += 1;
        }
    }
    assert!(found > 5, "only {found} files are included");
}
