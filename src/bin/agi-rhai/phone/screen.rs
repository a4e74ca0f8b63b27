//! The phone on the whole screen: the terminal, its keys, and the calls.

use super::audio::Audio;
use super::call::{CallEnd, PhoneCall, PhoneSetup};
use super::keypad::Keypad;
use super::state::{HistoryEvent, SharedState};
use super::ui::{Panel, Ui};
use super::view;
use super::watch;
use crate::common::CommonOptions;
use crate::logging;
use crate::out;
use crate::panics;
use crate::terminal::colour_is_wanted;
use agi_rhai::Status;
use agi_rhai::clock::{Stopwatch, Time};
use agi_rhai::pbx::{Act, Digit};
use anyhow::{Context, Result};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, is_raw_mode_enabled,
};
use ratatui::crossterm::{execute, queue};
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{ErrorKind, Stdout, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The screen is drawn so often while a call is on, and while none is.
const DRAW_EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(100));
/// A call has so long to end when the phone is put away.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Plays a script on the whole screen, call after call.
pub fn play(setup: PhoneSetup, common: &CommonOptions) -> Result<Status> {
    let setup = Arc::new(setup);
    let shared = Arc::new(SharedState::default());
    shared.view().database = setup.database.clone();
    let sink = Arc::clone(&shared);
    logging::start_on_screen(common, move |line| match line {
        logging::Line { is_panic: true, text, .. } => sink.report(&text),
        logging::Line { warning, place, text, .. } => sink.log(warning, place, text),
    });
    if setup.setting.audio {
        let told = Arc::clone(&shared);
        if let Some(audio) = Audio::start(&setup, Box::new(move |what| told.log(true, None, what))) {
            let _ = shared.audio.set(audio);
        }
    }
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ended)).context("signals cannot be caught")?;
    }
    let mut phone = Phone { setup, shared, acts: None, call: None, last: Arc::default(), ui: Ui::new() };
    watch::start(&phone.setup, &phone.shared);
    report_panics();
    let mut screen = Screen::open().context("the terminal cannot be used")?;
    phone.ring();
    let result = phone.serve(&mut screen, &ended);
    drop(screen);
    phone.put_away();
    if let Err(error) = result {
        // The log was on the screen, which is gone.
        out::complain(format_args!("the terminal failed: {error:#}"));
        return Ok(Status::Lost);
    }
    Ok(Status::Success)
}

/// The terminal as the phone needs it; put back when it is dropped.
struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    fn open() -> std::io::Result<Self> {
        enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()));
        if terminal.is_err() {
            leave();
        }
        Ok(Self(terminal?))
    }

    /// Lets the shell have the terminal, until it wants us back.
    fn suspend(&mut self) -> std::io::Result<()> {
        leave();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)?;
        enter()?;
        self.redraw()
    }

    /// Lets all of it be drawn anew. (`Terminal::clear` would ask the terminal where its cursor is.)
    fn redraw(&mut self) -> std::io::Result<()> {
        let size = self.0.size()?;
        self.0.resize(Rect::new(0, 0, size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> std::io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, Hide)
}

fn leave() {
    // The terminal may be gone.
    let _ = execute!(stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// A panic of a call is caught and told as a fault; one of our own is to be read on a terminal that is as before.
fn report_panics() {
    let ours = std::thread::current().id();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == ours {
            if is_raw_mode_enabled().unwrap_or(false) {
                leave();
            }
            out::complain(panics::told(panic));
        }
        usual(panic);
    }));
}

/// The phone, with its calls.
struct Phone {
    setup: Arc<PhoneSetup>,
    shared: Arc<SharedState>,
    /// To the caller of the call that is on.
    acts: Option<Sender<Act>>,
    call: Option<JoinHandle<()>>,
    /// The end of the last call.
    last: Arc<Mutex<Option<Result<CallEnd>>>>,
    ui: Ui,
}

/// Waits for a key, so long at most; whether the terminal is no longer there. Crossterm would read its end over and
/// over.
fn is_gone(patience: Duration) -> Result<bool> {
    let input = stdin();
    let mut polled = [PollFd::new(&input, PollFlags::IN)];
    match poll(&mut polled, Some(&patience.try_into()?)) {
        Ok(_) => Ok(polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
        // By a signal, after a stop for instance.
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether there is a key, or another size of the screen.
fn has_event() -> Result<bool> {
    match event::poll(Duration::ZERO) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
        found => Ok(found?),
    }
}

impl Phone {
    /// Draws, and does what the keys say, until the phone is put away.
    fn serve(&mut self, screen: &mut Screen, ended: &AtomicBool) -> Result<()> {
        while !ended.load(Relaxed) {
            let mut on_call = false;
            // A terminal that knows how shows each picture as a whole.
            queue!(stdout(), BeginSynchronizedUpdate)?;
            screen.0.draw(|frame| {
                // Held while the picture is made, not while the terminal takes it: a slow one does not stop the call.
                let view = self.shared.view();
                view::draw(frame, &view, &self.setup, &mut self.ui);
                on_call = view.on_call();
            })?;
            execute!(stdout(), EndSynchronizedUpdate)?;
            if is_gone(if on_call { DRAW_EVERY.0 } else { DRAW_EVERY.1 })? {
                return Ok(());
            }
            // All that is there, before the screen is drawn again.
            while has_event()? {
                if let Event::Key(key) = event::read()?
                    && key.kind != KeyEventKind::Release
                    && self.pressed(key, screen)?
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Does what a key says; true when the phone is to be put away.
    fn pressed(&mut self, key: KeyEvent, screen: &mut Screen) -> Result<bool> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c' | 'd') => return Ok(true),
                KeyCode::Char('z') => screen.suspend()?,
                KeyCode::Char('l') => screen.redraw()?,
                _ => {}
            }
            return Ok(false);
        }
        if self.ui.text.is_some() {
            self.typed(key.code);
            return Ok(false);
        }
        if std::mem::take(&mut self.ui.help) {
            // Any key closes the page of help; one of the phone's is not lost.
            if matches!(key.code, KeyCode::Char('?') | KeyCode::Esc | KeyCode::Enter) {
                return Ok(false);
            }
        }
        match key.code {
            KeyCode::Char('q') => return Ok(true),
            KeyCode::Char('h') => self.act(Act::HangUp),
            KeyCode::Enter => self.ring(),
            KeyCode::Char('?') => self.ui.help = true,
            KeyCode::Char('l') => self.ui.toggle(Panel::Log),
            KeyCode::Char('t') => self.ui.toggle(Panel::Dialogue),
            KeyCode::Char('s') => self.ui.toggle(Panel::Script),
            KeyCode::Char('v') => self.ui.toggle_values(),
            KeyCode::Char('m') if self.shared.view().on_call() => self.ui.text = Some(String::new()),
            KeyCode::Up => self.ui.scroll_by(1),
            KeyCode::Down => self.ui.scroll_by(-1),
            KeyCode::PageUp => self.ui.scroll_by(8),
            KeyCode::PageDown => self.ui.scroll_by(-8),
            KeyCode::Home => self.ui.scroll = usize::MAX,
            KeyCode::End => self.ui.scroll = 0,
            KeyCode::Char(key) => {
                if let Some(digit) = Digit::new(key.to_ascii_uppercase()) {
                    self.act(Act::Key(digit));
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// A key while a text is typed.
    fn typed(&mut self, key: KeyCode) {
        let Some(text) = &mut self.ui.text else { return };
        match key {
            KeyCode::Char(letter) => text.push(letter),
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Esc => self.ui.text = None,
            KeyCode::Enter => {
                let text = self.ui.text.take().unwrap_or_default();
                self.shared.note(HistoryEvent::Told(format!("you send the text \u{201c}{text}\u{201d}")));
                self.act(Act::Says(text));
            }
            _ => {}
        }
    }

    /// What the caller does, if a call is on.
    fn act(&self, act: Act) {
        if let Some(acts) = &self.acts {
            // The call may just have ended.
            let _ = acts.send(act);
        }
    }

    /// Calls, unless a call is on or there is nothing to call.
    fn ring(&mut self) {
        let (version, on_call) = {
            let view = self.shared.view();
            if view.broken.is_some() {
                return;
            }
            (view.version.clone(), view.on_call())
        };
        let Some(version) = version.filter(|_| !on_call) else { return };
        if let Some(last) = self.call.take() {
            // It has told its end already.
            let _ = last.join();
        }
        self.ui.scroll = 0;
        let (acts, received) = channel();
        self.acts = Some(acts);
        let (setup, shared, last) = (Arc::clone(&self.setup), Arc::clone(&self.shared), Arc::clone(&self.last));
        // The clock of the call starts here, and the screen shows it from now on.
        shared.begin(Arc::clone(&version));
        let call = move || {
            let caller = Keypad {
                shared: Arc::clone(&shared),
                version: Arc::clone(&version),
                language: setup.setting.language.clone(),
                acts: received,
                audio: shared.audio.get().cloned(),
                fast: setup.setting.fast,
                last: None,
            };
            let told = Arc::clone(&shared);
            let note = Box::new(move |text: String, at: Time| told.dialogue(text, at));
            let end = PhoneCall::new(&setup, &version, Box::new(caller), note).map(|mut line| {
                shared.is_line(&line);
                line.observe(Arc::clone(&shared) as _);
                line.run(&setup, &version)
            });
            shared.end(&end);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        };
        match std::thread::Builder::new().name("call".to_owned()).stack_size(8 * 1024 * 1024).spawn(call) {
            Ok(thread) => self.call = Some(thread),
            Err(error) => self.shared.end(&Err(error.into())),
        }
    }

    /// Hangs up, and says on the usual screen how the last call ended.
    fn put_away(mut self) {
        self.act(Act::HangUp);
        let clock = Stopwatch::start();
        let began = clock.now();
        while self.call.as_ref().is_some_and(|call| !call.is_finished()) && clock.now() - began < LAST_WORDS {
            agi_rhai::clock::sleep(Duration::from_millis(5));
        }
        self.acts = None;
        if let Some(audio) = self.shared.audio.get() {
            audio.close();
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let lines = match last {
            Some(Ok(end)) => {
                let fault = end.fault().map(|fault| fault.render(colour_is_wanted()));
                fault.into_iter().chain(end.summary()).collect()
            }
            Some(Err(error)) => vec![format!("{error:#}")],
            None => Vec::new(),
        };
        for line in lines {
            out::say(line);
        }
    }
}
