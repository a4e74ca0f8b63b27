//! Packs the page of the studio, if it has been built, so that the program holds it.
//!
//! Only for a release: while the page and the program are being written, the program reads the page from its folder.

use std::io::{self, Write, stdout};
use std::path::Path;

fn main() -> io::Result<()> {
    watch(Path::new("build.rs"))?;
    #[cfg(feature = "cli")]
    page::pack()?;
    Ok(())
}

/// Has Cargo run this again when a file has changed.
fn watch(path: &Path) -> io::Result<()> {
    writeln!(stdout(), "cargo::rerun-if-changed={}", path.display())
}

#[cfg(feature = "cli")]
mod page {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::fmt::Write as _;
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::{env, fs, io};

    /// The same page as one file, which needs no server.
    const ALONE: &str = "playground.html";

    fn folder(variable: &str) -> io::Result<PathBuf> {
        env::var_os(variable).map(PathBuf::from).ok_or_else(|| io::Error::other(format!("no {variable}")))
    }

    /// Writes `page.rs`: the packed files by their names, and where they are read from if there are none.
    pub(super) fn pack() -> io::Result<()> {
        let out = folder("OUT_DIR")?;
        let dist = folder("CARGO_MANIFEST_DIR")?.join("playground/web/dist");
        let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
        let mut files = String::new();
        // The folder is in the repository, and empty until the page is built. The published crate has none.
        if is_release && dist.is_dir() {
            super::watch(&dist)?;
            for name in names(&dist)? {
                let packed = out.join(format!("{name}.gz"));
                let mut encoder = GzEncoder::new(fs::File::create(&packed)?, Compression::best());
                encoder.write_all(&fs::read(dist.join(&name))?)?;
                encoder.finish()?;
                let _ = writeln!(files, "    ({name:?}, include_bytes!({:?})),", packed.to_string_lossy());
            }
        }
        let found = (!is_release).then(|| dist.to_string_lossy());
        let text = format!(
            "/// The files of the page, packed.\npub const PACKED: &[(&str, &[u8])] = &[\n{files}];\n\
             /// Where they are read from instead.\npub const BUILT: Option<&str> = {found:?};\n"
        );
        fs::write(out.join("page.rs"), text)
    }

    fn names(dist: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dist)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A folder holds the recordings of the examples. The studio plays those of its own folder.
            if entry.file_type()?.is_file() && !name.starts_with('.') && name != ALONE {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}
