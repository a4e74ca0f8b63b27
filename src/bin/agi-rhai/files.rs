//! Finding scripts: one by its name, or all in a folder.

use agi_rhai::script::LoadError;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the file of a script: the path itself, or the file in the first folder that has it. `.rhai` may be left out.
pub fn find(script: &Path, folders: &[PathBuf]) -> PathBuf {
    let mut with_ending = script.to_owned();
    with_ending.as_mut_os_string().push(".rhai");
    let places = if script.is_absolute() { vec![PathBuf::new()] } else { folders.to_vec() };
    let candidates = places.iter().flat_map(|place| [place.join(script), place.join(&with_ending)]);
    let found = candidates.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| places.first().map_or_else(|| script.to_owned(), |place| place.join(script)))
}

/// Adds the searched folders to the error of a missing script.
pub fn with_searched_folders(script: &Path, folders: &[PathBuf], error: LoadError) -> LoadError {
    match error {
        LoadError::Missing(_, error) if error.kind() == io::ErrorKind::NotFound && !script.is_absolute() => {
            let places = folders.iter().map(|folder| match folder.to_str() {
                Some(".") => "the current folder".to_owned(),
                _ => folder.display().to_string(),
            });
            let places = places.collect::<Vec<_>>().join(", ");
            LoadError::Missing(script.to_owned(), io::Error::new(error.kind(), format!("searched {places}")))
        }
        error => error,
    }
}

/// The scripts of a folder and of all folders below it, in order; what is hidden is left out, and links to folders are
/// not followed, so that the walk has an end.
pub fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, &mut found)?;
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let cannot = |error| io::Error::other(format!("cannot read {}: {error}", folder.display()));
    let mut entries = std::fs::read_dir(folder).map_err(cannot)?.collect::<io::Result<Vec<_>>>().map_err(cannot)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&path, found)?;
        } else if is_script(&path) && !path.is_dir() {
            // `./game.rhai` is what people call `game.rhai`.
            found.push(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
        }
    }
    Ok(())
}

pub fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rhai")
}
