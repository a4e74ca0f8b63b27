//! Callers on a real Asterisk who hear and speak: their leg of the call runs AudioSocket, whose other end is here.
#![allow(dead_code, reason = "a rig: not every build of the tests uses every part")]
#![allow(clippy::disallowed_methods, reason = "a real Asterisk keeps real time")]

use super::asterisk::Call;
use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The samples of a frame, which takes 20 ms.
const FRAME: usize = 160;
/// Louder samples than this aren't silence.
const LOUD: u16 = 200;

/// Where Asterisk connects for the sound of callers.
struct Exchange {
    port: u16,
    waiting: Mutex<HashMap<[u8; 16], Sender<TcpStream>>>,
}

static EXCHANGE: LazyLock<Arc<Exchange>> = LazyLock::new(|| {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let exchange = Arc::new(Exchange { port, waiting: Mutex::default() });
    let accepting = Arc::clone(&exchange);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut opening = [0; 19];
            if stream.read_exact(&mut opening).is_ok()
                && let Some(call) = accepting.waiting.lock().unwrap().remove(&opening[3..])
            {
                let _ = call.send(stream);
            }
        }
    });
    exchange
});

/// A caller whose call is still to be placed.
pub struct Phone {
    id: [u8; 16],
    connected: Receiver<TcpStream>,
}

/// A caller on the line.
pub struct Caller {
    queue: Sender<Vec<i16>>,
    heard: Arc<Mutex<Heard>>,
    over: Arc<Mutex<Option<Instant>>>,
}

/// What a caller has heard.
#[derive(Default)]
struct Heard {
    samples: Vec<i16>,
    last_loud: Option<Instant>,
}

impl Phone {
    pub fn new() -> Phone {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = ((u128::from(std::process::id()) << 64) | u128::from(number)).to_be_bytes();
        let (sender, connected) = channel();
        EXCHANGE.waiting.lock().unwrap().insert(id, sender);
        Phone { id, connected }
    }

    /// Has a call come from this phone.
    pub fn calls(&self, call: Call) -> Call {
        let digits = format!("{:032x}", u128::from_be_bytes(self.id));
        let id = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-");
        call.by_socket(&id, EXCHANGE.port)
    }

    /// Waits until the call is answered.
    #[track_caller]
    pub fn answered(self) -> Caller {
        let stream = self.connected.recv_timeout(PATIENCE).expect("the call isn't answered");
        stream.set_nodelay(true).unwrap();
        let (queue, queued) = channel::<Vec<i16>>();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let over = Arc::new(Mutex::new(None));
        let mut sending = stream.try_clone().unwrap();
        thread::spawn(move || {
            let mut due = Instant::now();
            let mut said: Vec<i16> = Vec::new();
            let mut at = 0;
            loop {
                while let Ok(more) = queued.try_recv() {
                    said.extend(more);
                }
                let mut frame = [0; FRAME];
                let length = (said.len() - at).min(FRAME);
                frame[..length].copy_from_slice(&said[at..at + length]);
                at += length;
                let mut bytes = vec![0x10, 0x01, 0x40];
                bytes.extend(frame.iter().flat_map(|sample| sample.to_le_bytes()));
                if sending.write_all(&bytes).is_err() {
                    return;
                }
                due += Duration::from_millis(20);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        let (hearing, ended) = (Arc::clone(&heard), Arc::clone(&over));
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut head = [0; 3];
            while reader.read_exact(&mut head).is_ok() {
                let mut content = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
                if reader.read_exact(&mut content).is_err() || head[0] == 0 {
                    break;
                }
                if head[0] != 0x10 {
                    continue;
                }
                let samples = content.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
                let mut heard = hearing.lock().unwrap();
                let from = heard.samples.len();
                heard.samples.extend(samples);
                if heard.samples[from..].iter().any(|sample| sample.unsigned_abs() > LOUD) {
                    heard.last_loud = Some(Instant::now());
                }
            }
            *ended.lock().unwrap() = Some(Instant::now());
        });
        Caller { queue, heard, over }
    }
}

impl Caller {
    /// Says something. It begins with the next frame.
    pub fn says(&self, samples: &[i16]) {
        let _ = self.queue.send(samples.to_vec());
    }

    /// Waits until the caller hears something other than silence.
    #[track_caller]
    pub fn hears_sound(&self) {
        let until = Instant::now() + PATIENCE;
        while self.last_sound().is_none() {
            assert!(Instant::now() < until, "the caller hears nothing");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns when the caller last heard something other than silence.
    pub fn last_sound(&self) -> Option<Instant> {
        self.heard.lock().unwrap().last_loud
    }

    /// Returns how much sound other than silence the caller has heard: the number of frames.
    pub fn loud_frames(&self) -> usize {
        let is_loud = |frame: &&[i16]| frame.iter().any(|sample| sample.unsigned_abs() > LOUD);
        self.heard.lock().unwrap().samples.chunks(FRAME).filter(is_loud).count()
    }

    /// Returns when the call ended, if it has.
    pub fn ended_at(&self) -> Option<Instant> {
        *self.over.lock().unwrap()
    }
}

/// Returns a vowel of this length, in milliseconds: pulses of a voice through three resonances, which glide. A voice
/// that stands still is taken for a tone now and then.
pub fn vowel(ms: usize) -> Vec<i16> {
    use std::f64::consts::TAU;
    let rate = 8000.0f64;
    let mut filters = [(0.0, 700.0, 80.0), (1.0, 1200.0, 90.0), (2.0, 2500.0, 120.0)].map(|filter| (filter, [0.0; 2]));
    let mut phase = 0.0;
    let mut sample = |at: usize| {
        let time = at as f64 / rate;
        phase += (180.0 + 40.0 * (time * 4.0).sin()) / rate;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase -= pulse;
        let mut sum = 0.0;
        for ((shift, middle, width), last) in &mut filters {
            let frequency = *middle * (1.0 + 0.2 * (time * TAU * 3.0 + *shift).sin());
            let decay = (-TAU / 2.0 * *width / rate).exp();
            let out = pulse + 2.0 * decay * (TAU * frequency / rate).cos() * last[0] - decay * decay * last[1];
            *last = [out, last[0]];
            sum += out;
        }
        (sum * 4000.0).clamp(-30_000.0, 30_000.0) as i16
    };
    (0..ms * 8).map(&mut sample).collect()
}

/// Returns silence of this length, in milliseconds.
pub fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

/// Returns a tone of this length, in milliseconds.
pub fn tone(ms: usize) -> Vec<i16> {
    (0..ms * 8).map(|at| ((at as f64 * std::f64::consts::TAU * 440.0 / 8000.0).sin() * 8000.0) as i16).collect()
}

/// Returns a WAV file as Asterisk reads them.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let data = (samples.len() * 2) as u32;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    file.extend(data.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}
