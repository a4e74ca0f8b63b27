//! One question by voice over AudioSocket: a prompt that stops when the caller speaks or presses a key, and what the
//! caller then says.

use super::audio_socket::{FRAME, Frame, THE_END, push_sound, take};
use super::listener::{Engine, FRAME_LENGTH, Listener, Terms};
use super::prompt::Prompt;
use crate::clock::{Stopwatch, Time};
use crate::transport::{Answer, Failure};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};

/// How often something is sent while nothing is played: without any sound for 2 s, Asterisk gives up.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// How many bytes may wait to be sent: more than that, and the other end doesn't read.
const MAX_UNSENT: usize = 16 * 1024;
/// How long Asterisk may take to close a connection at its end.
const GOODBYE: Duration = Duration::from_secs(1);
/// How many bytes are received at a time.
const RECEIVED: usize = 2048;

/// The prompt on its way to the caller.
#[derive(Default)]
struct Player {
    /// What was read and not yet played.
    samples: Vec<i16>,
    played: usize,
    /// The rest, and the thread that reads from it.
    rest: Option<Prompt>,
    reading: Option<JoinHandle<(Prompt, Vec<i16>)>>,
}

impl Player {
    fn new((rest, samples): (Prompt, Vec<i16>)) -> Self {
        Self { samples, played: 0, rest: Some(rest), reading: None }
    }

    /// Returns the next frame. `None` means that there is none left; one without samples, that it isn't read yet.
    fn next(&mut self, context: &mut Context<'_>) -> Option<&[i16]> {
        if self.samples.len() - self.played < 10 * FRAME
            && let Some(mut rest) = self.rest.take_if(|rest| !rest.is_over())
        {
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let samples = rest.read();
                (rest, samples)
            }));
        }
        if let Some(reading) = &mut self.reading
            && let Poll::Ready(read) = Pin::new(reading).poll(context)
        {
            self.reading = None;
            if let Ok((rest, samples)) = read {
                self.samples.drain(..self.played);
                self.samples.extend(samples);
                self.played = 0;
                self.rest = Some(rest);
            }
        }
        let length = (self.samples.len() - self.played).min(FRAME);
        let is_last = self.reading.is_none() && self.rest.as_ref().is_none_or(Prompt::is_over);
        if length == 0 && is_last {
            return None;
        }
        let length = if length < FRAME && !is_last { 0 } else { length };
        self.played += length;
        Some(&self.samples[self.played - length..self.played])
    }
}

/// A conversation over a connection of AudioSocket.
struct Conversation {
    stream: TcpStream,
    clock: Stopwatch,
    listener: Listener,
    player: Player,
    received: Vec<u8>,
    unsent: Vec<u8>,
    /// When the next frame is due.
    due: Time,
    /// When the timer wakes.
    wake: Time,
    timer: Pin<Box<Sleep>>,
}

/// Plays a prompt, of which a first piece was read already, and listens. At the end the application on Asterisk's side
/// has ended too.
pub(super) async fn converse(stream: TcpStream, prompt: (Prompt, Vec<i16>), terms: Terms, engine: Engine) -> Answer {
    // A frame every 20 ms must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let clock = Stopwatch::start();
    let now = clock.now();
    let mut conversation = Conversation {
        stream,
        clock,
        listener: Listener::new(terms, engine, now),
        player: Player::new(prompt),
        received: Vec::new(),
        unsent: Vec::new(),
        due: now,
        wake: Time::NEVER,
        timer: Box::pin(sleep(Duration::ZERO)),
    };
    let answer = poll_fn(|context| conversation.poll(context)).await;
    let Conversation { stream, unsent, .. } = conversation;
    goodbye(stream, unsent).await;
    answer.unwrap_or_else(|error| Err(Failure::unavailable(format!("the sound of the call broke off: {error}"))))
}

/// Ends the application, which replies to its command then.
async fn goodbye(mut stream: TcpStream, mut unsent: Vec<u8>) {
    unsent.extend(THE_END);
    let ending = async {
        // Whoever doesn't read it sees the connection close.
        stream.write_all(&unsent).await?;
        stream.shutdown().await?;
        // A connection that is closed before all is read is reset, and then the application has failed.
        let mut rest = [0; RECEIVED];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    let _ = timeout(GOODBYE, ending).await;
}

impl Conversation {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Answer>> {
        loop {
            let now = self.clock.now();
            while let Some(frame) = self.receive(context)? {
                match frame {
                    Frame::Key(key) => {
                        if let Some(answer) = self.listener.press(key) {
                            return Poll::Ready(Ok(answer));
                        }
                    }
                    Frame::Sound(samples) => self.listener.hear(samples, now),
                    Frame::End => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                }
            }
            if let Some(answer) = self.listener.poll(now, context) {
                return Poll::Ready(Ok(answer));
            }
            self.play(now, context);
            self.send(context)?;
            let wake = self.due.min(self.listener.wakes_at());
            if wake != self.wake {
                self.wake = wake;
                self.timer.as_mut().set(sleep(wake - now));
            }
            ready!(self.timer.as_mut().poll(context));
            self.wake = Time::NEVER;
        }
    }

    /// Returns a frame that has arrived.
    fn receive(&mut self, context: &mut Context<'_>) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = take(&mut self.received) {
                return Ok(Some(frame));
            }
            let mut bytes = [0; RECEIVED];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return Ok(None),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Ok(Some(Frame::End)),
                Poll::Ready(Ok(())) => self.received.extend(buffer.filled()),
            }
        }
    }

    /// Plays what is due.
    fn play(&mut self, now: Time, context: &mut Context<'_>) {
        while now >= self.due {
            let frame = if self.listener.is_playing { self.player.next(context) } else { None };
            let (frame, every) = if let Some(frame) = frame {
                (frame, FRAME_LENGTH)
            } else {
                if self.listener.is_playing {
                    self.listener.prompt_ends(now);
                }
                self.player = Player::default();
                (&[0; FRAME][..], KEEP_ALIVE)
            };
            if self.unsent.len() < MAX_UNSENT && !frame.is_empty() {
                push_sound(&mut self.unsent, frame);
            }
            // What is late is made up for, since the prompt would have gaps; but not all at once.
            self.due = (self.due + every).max(now_less(now, 3 * FRAME_LENGTH));
        }
    }

    fn send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.unsent) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(sent) => {
                    self.unsent.drain(..sent?);
                }
            }
        }
        Ok(())
    }
}

/// Returns the moment this much earlier.
fn now_less(now: Time, length: Duration) -> Time {
    Time::default() + (now.since_epoch().saturating_sub(length))
}
