//! What has changed in the folder, whoever did it: an editor, a checkout, the studio itself.
//!
//! It is looked at again and again, as a server does with its scripts: what tells of changes misses some of them.

use super::folder::{Folder, Refusal, Text};
use super::names::Kind;
use cap_std::fs::{Dir, Metadata, MetadataExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// How much all texts together may be, in bytes.
const LARGEST: usize = 32 << 20;
/// How many more times a changed file is read, since it may change again within one tick of its clock.
const AGAIN: u8 = 2;

/// A file that is edited: its text, or why it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedText {
    pub name: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedSound {
    pub name: String,
    pub size: u64,
}

/// What is new since the last look.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub changed: Vec<ListedText>,
    /// The names of files that are gone.
    pub gone: Vec<String>,
}

/// What tells one state of a file from another, without its content.
type Mark = (u64, u64, i64, i64, i64, i64);

struct Seen {
    mark: Mark,
    file: ListedText,
    again: u8,
}

/// One reader's view of the folder.
#[derive(Default)]
pub struct View {
    texts: BTreeMap<String, Seen>,
    sounds: Vec<(ListedSound, Mark)>,
    /// Whether there are more files than are shown.
    pub is_cut: bool,
}

impl View {
    /// Looks at the folder. Returns the texts that have changed, and whether the sounds have.
    pub fn look(&mut self, folder: &Folder) -> io::Result<(Changes, bool)> {
        let (paths, is_cut) = folder.list()?;
        let root = folder.dir()?;
        self.is_cut = is_cut;
        let mut changes = Changes::default();
        let mut texts = BTreeMap::new();
        let mut sounds = Vec::new();
        let mut total = 0;
        for (path, kind) in paths {
            // Names that aren't Unicode can't be shown; links that leave the folder, pipes and the like aren't files.
            let Some((name, metadata)) = file(&root, &path) else { continue };
            let mark = mark(&metadata);
            if kind == Kind::Sound {
                sounds.push((ListedSound { name, size: metadata.len() }, mark));
                continue;
            }
            let mut before = self.texts.remove(&name);
            if let Some(seen) = before.take_if(|seen| seen.mark == mark && seen.again == 0) {
                total += seen.file.text.as_ref().map_or(0, |text| text.text.len());
                texts.insert(name, seen);
                continue;
            }
            let file = match folder.read(&path) {
                Ok(text) if total + text.text.len() <= LARGEST => {
                    total += text.text.len();
                    ListedText { name: name.clone(), text: Some(text), problem: None }
                }
                Ok(_) => unread(&name, "it isn't shown, since there is too much in this folder"),
                // It went between the two looks.
                Err(Refusal::Missing) => continue,
                Err(refusal) => unread(&name, &refusal.to_string()),
            };
            let again = match before {
                Some(seen) if seen.file == file && seen.mark == mark => seen.again - 1,
                Some(seen) if seen.file == file => AGAIN,
                _ => {
                    changes.changed.push(file.clone());
                    AGAIN
                }
            };
            texts.insert(name, Seen { mark, file, again });
        }
        changes.gone = std::mem::replace(&mut self.texts, texts).into_keys().collect();
        let has_other_sounds = self.sounds != sounds;
        self.sounds = sounds;
        Ok((changes, has_other_sounds))
    }

    pub fn texts(&self) -> Vec<&ListedText> {
        self.texts.values().map(|seen| &seen.file).collect()
    }

    pub fn sounds(&self) -> Vec<&ListedSound> {
        self.sounds.iter().map(|(sound, _)| sound).collect()
    }
}

fn unread(name: &str, problem: &str) -> ListedText {
    ListedText { name: name.to_owned(), text: None, problem: Some(problem.to_owned()) }
}

fn file(root: &Dir, path: &Path) -> Option<(String, Metadata)> {
    let metadata = root.metadata(path).ok()?;
    metadata.is_file().then_some((path.to_str()?.to_owned(), metadata))
}

fn mark(metadata: &Metadata) -> Mark {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec())
}
