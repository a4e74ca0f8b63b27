//! AudioSocket, the protocol by which Asterisk's application of that name sends and takes the sound of a channel
//! (`res_audiosocket.c`): one byte for the kind of a frame, two for its length, big-endian, and what it holds.

/// The samples of a frame that takes 20 ms.
pub(super) const FRAME: usize = 160;
/// The bytes of the frame with which Asterisk begins.
pub(super) const OPENING: usize = 19;

const END: u8 = 0x00;
const ID: u8 = 0x01;
const KEY: u8 = 0x03;
const SOUND: u8 = 0x10;

/// The name that a channel was given when it was told to connect.
pub(super) type Id = [u8; 16];

/// What Asterisk sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Sound of the caller: 8,000 samples per second, mostly 160 of them.
    Sound(Vec<i16>),
    /// The caller pressed a key.
    Key(char),
    /// The application has ended.
    End,
}

/// Reads the frame with which Asterisk begins.
pub(super) fn opening(bytes: &[u8; OPENING]) -> Option<Id> {
    let id = bytes.strip_prefix(&[ID, 0, 16])?;
    Id::try_from(id).ok()
}

/// Returns an id as `EXEC` takes it.
pub(super) fn written(id: Id) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(id));
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// Takes the first frame from what was received, if it is there whole. Frames of kinds that aren't known are left out.
pub(super) fn take(received: &mut Vec<u8>) -> Option<Frame> {
    loop {
        let [kind, high, low, rest @ ..] = received.as_slice() else { return None };
        let (kind, length) = (*kind, usize::from(u16::from_be_bytes([*high, *low])));
        let content = rest.get(..length)?;
        let frame = match kind {
            END => Some(Frame::End),
            SOUND => {
                Some(Frame::Sound(content.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()))
            }
            KEY => content.first().map(|key| Frame::Key(char::from(*key))),
            _ => None,
        };
        received.drain(..3 + length);
        if frame.is_some() {
            return frame;
        }
    }
}

/// Appends a frame of sound.
pub(super) fn push_sound(bytes: &mut Vec<u8>, samples: &[i16]) {
    bytes.push(SOUND);
    bytes.extend(u16::try_from(samples.len() * 2).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
}

/// The frame that ends the application: Asterisk replies to the command, and the script goes on.
pub(super) const THE_END: [u8; 3] = [END, 0, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_in_any_pieces() {
        let mut sent = Vec::new();
        push_sound(&mut sent, &[1, -2]);
        // A kind that isn't known, and a key without its key.
        sent.extend([0x77, 0, 1, 9, KEY, 0, 0]);
        sent.extend([KEY, 0, 1, b'5']);
        sent.extend(THE_END);
        let (mut received, mut frames) = (Vec::new(), Vec::new());
        for byte in sent {
            received.push(byte);
            frames.extend(take(&mut received));
        }
        assert_eq!(frames, [Frame::Sound(vec![1, -2]), Frame::Key('5'), Frame::End]);
        assert!(received.is_empty());
    }

    #[test]
    fn the_opening_names_the_channel() {
        let id = *b"0123456789abcdef";
        let mut bytes = [0; OPENING];
        bytes[..3].copy_from_slice(&[ID, 0, 16]);
        bytes[3..].copy_from_slice(&id);
        assert_eq!(opening(&bytes), Some(id));
        assert_eq!(opening(&[ID; OPENING]), None);
        assert_eq!(written(id), "30313233-3435-3637-3839-616263646566");
    }
}
