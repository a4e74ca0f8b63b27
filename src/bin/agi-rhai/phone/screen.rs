//! The full-screen phone: the terminal, its keys, and the calls.

use super::audio::Audio;
use super::call::{CallEnd, PhoneCall, PhoneSetup, Tapped};
use super::keypad::Keypad;
use super::state::SharedState;
use super::ui::{Panel, Ui};
use super::view;
use super::watch;
use crate::common::CommonOptions;
use crate::logging::{self, LogLine};
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

/// The intervals between redraws, during calls and between them.
const DRAW_INTERVALS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(100));
/// How long a call may take to end when the phone quits.
const HANGUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Plays a script full-screen, call after call.
pub fn play(setup: PhoneSetup, common: &CommonOptions) -> Result<Status> {
    let setup = Arc::new(setup);
    let shared = Arc::new(SharedState::default());
    shared.view().database = setup.database.clone();
    let sink = Arc::clone(&shared);
    logging::start_on_screen(common, move |line| match line {
        LogLine { is_panic: true, text, .. } => sink.report(text),
        LogLine { warning, place, text, .. } => sink.log(warning, place, text),
    });
    common.config.log_mistake();
    if setup.setting.audio {
        let log_state = Arc::clone(&shared);
        if let Some(audio) = Audio::start(&setup, Box::new(move |problem| log_state.log(true, None, problem))) {
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
    phone.place_call();
    let result = phone.serve(&mut screen, &ended);
    drop(screen);
    phone.quit();
    if let Err(error) = result {
        // The log is on the screen, which is gone.
        out::error(format_args!("the terminal failed: {error:#}"));
        return Ok(Status::Lost);
    }
    Ok(Status::Success)
}

/// The terminal in full-screen mode, until this is dropped.
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

    /// Returns the terminal to the shell until the program is resumed.
    fn suspend(&mut self) -> std::io::Result<()> {
        leave();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)?;
        enter()?;
        self.redraw()
    }

    /// Forces a complete redraw. (`Terminal::clear` would query the position of the cursor.)
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

/// Restores the terminal before a panic of this thread is reported. A panic of a call is caught and becomes a fault.
fn report_panics() {
    let ours = std::thread::current().id();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == ours {
            if is_raw_mode_enabled().unwrap_or(false) {
                leave();
            }
            out::error(panics::describe(panic));
        }
        usual(panic);
    }));
}

/// The phone and its calls.
struct Phone {
    setup: Arc<PhoneSetup>,
    shared: Arc<SharedState>,
    /// Sends to the caller of the current call.
    acts: Option<Sender<Act>>,
    call: Option<JoinHandle<()>>,
    /// How the last call ended.
    last: Arc<Mutex<Option<Result<CallEnd>>>>,
    ui: Ui,
}

/// Waits at most this long for a key. Returns whether the terminal is gone: then Crossterm would read forever.
fn is_gone(patience: Duration) -> Result<bool> {
    let input = stdin();
    let mut polled = [PollFd::new(&input, PollFlags::IN)];
    match poll(&mut polled, Some(&patience.try_into()?)) {
        Ok(_) => Ok(polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
        // A signal interrupted it, for instance after a suspension.
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a key or a new size of the screen is waiting.
fn has_event() -> Result<bool> {
    match event::poll(Duration::ZERO) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
        found => Ok(found?),
    }
}

impl Phone {
    /// Draws the screen and handles keys until the phone quits.
    fn serve(&mut self, screen: &mut Screen, ended: &AtomicBool) -> Result<()> {
        while !ended.load(Relaxed) {
            let mut on_call = false;
            // Prevents flicker on terminals that support it.
            queue!(stdout(), BeginSynchronizedUpdate)?;
            screen.0.draw(|frame| {
                // The lock is held only while drawing to memory, so that a slow terminal doesn't stop the call.
                let view = self.shared.view();
                view::draw(frame, &view, &self.setup, &mut self.ui);
                on_call = view.on_call();
            })?;
            execute!(stdout(), EndSynchronizedUpdate)?;
            if is_gone(if on_call { DRAW_INTERVALS.0 } else { DRAW_INTERVALS.1 })? {
                return Ok(());
            }
            // Handles all waiting keys before the next redraw.
            while has_event()? {
                if let Event::Key(key) = event::read()?
                    && key.kind != KeyEventKind::Release
                    && self.handle_key(key, screen)?
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Handles a key. Returns true if the phone is to quit.
    fn handle_key(&mut self, key: KeyEvent, screen: &mut Screen) -> Result<bool> {
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
            self.edit_text(key.code);
            return Ok(false);
        }
        if std::mem::take(&mut self.ui.help) {
            // Any key closes the page of help, and other keys also keep their meaning.
            if matches!(key.code, KeyCode::Char('?') | KeyCode::Esc | KeyCode::Enter) {
                return Ok(false);
            }
        }
        match key.code {
            KeyCode::Char('q') => return Ok(true),
            KeyCode::Char('h') => self.act(Act::HangUp),
            KeyCode::Enter => self.place_call(),
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

    /// Handles a key while a text is being typed.
    fn edit_text(&mut self, key: KeyCode) {
        let Some(text) = &mut self.ui.text else { return };
        match key {
            KeyCode::Char(letter) => text.push(letter),
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Esc => self.ui.text = None,
            KeyCode::Enter => {
                let text = self.ui.text.take().unwrap_or_default();
                self.act(Act::Says(text));
            }
            _ => {}
        }
    }

    /// Passes an act to the current call, if any.
    fn act(&self, act: Act) {
        if let Some(acts) = &self.acts {
            // The call may have just ended.
            let _ = acts.send(act);
        }
    }

    /// Places a call, unless a call is on or no version of the script has ever been good. While it is broken, calls run
    /// the last good version.
    fn place_call(&mut self) {
        let (version, on_call) = {
            let view = self.shared.view();
            (view.version.clone(), view.on_call())
        };
        let Some(version) = version.filter(|_| !on_call) else { return };
        if let Some(last) = self.call.take() {
            // It has reported its end already.
            let _ = last.join();
        }
        self.ui.scroll = 0;
        let (acts, received) = channel();
        self.acts = Some(acts.clone());
        let (setup, shared, last) = (Arc::clone(&self.setup), Arc::clone(&self.shared), Arc::clone(&self.last));
        // Starts the clock of the call, which the screen shows from now on.
        shared.begin(Arc::clone(&version), setup.clock());
        let call = move || {
            let caller = Keypad {
                shared: Arc::clone(&shared),
                version: Arc::clone(&version),
                acts: received,
                wake: acts,
                audio: shared.audio.get().cloned(),
                fast: setup.setting.fast,
                last: None,
                has_spoken: false,
            };
            let state = Arc::clone(&shared);
            let note = Box::new(move |tapped: Tapped<'_>, at: Time| state.tap(&tapped, at));
            let end = PhoneCall::new(&setup, &version, Box::new(caller), note).map(|mut line| {
                shared.set_call(&line);
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

    /// Hangs up, and prints how the last call ended.
    fn quit(mut self) {
        self.act(Act::HangUp);
        let clock = Stopwatch::start();
        let began = clock.now();
        while self.call.as_ref().is_some_and(|call| !call.is_finished()) && clock.now() - began < HANGUP_TIMEOUT {
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
            out::line(line);
        }
    }
}
