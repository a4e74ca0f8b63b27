//! The servers that are measured: starts them on the loopback interface, reads their figures from `/proc`, ends them.

use super::load::{self, GAME};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Whose {
    Ours,
    C,
    AsteriskRs,
}

impl Whose {
    pub const ALL: [Self; 3] = [Self::Ours, Self::C, Self::AsteriskRs];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "agi-rhai",
            Self::C => "C",
            Self::AsteriskRs => "asterisk-rs-agi",
        }
    }
}

/// A running server.
pub struct Server {
    pub whose: Whose,
    pub address: SocketAddrV4,
    child: Child,
}

/// The memory of a server in KiB, and its threads.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: f64,
    pub page_tables: f64,
    pub threads: f64,
    /// The kernel's own memory, of the whole machine: stacks of threads, page tables, and memory that cannot be
    /// reclaimed, such as sockets.
    pub kernel: f64,
    /// The machine's available memory.
    pub available: f64,
}

pub fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

/// Returns the program of a server, built if necessary.
pub fn program(whose: Whose) -> io::Result<PathBuf> {
    match whose {
        Whose::Ours => Ok(env!("CARGO_BIN_EXE_agi-rhai").into()),
        Whose::C => {
            let made =
                Command::new("make").arg("-C").arg(peers()).arg("build/fastagi").stdout(Stdio::null()).output()?;
            if !made.status.success() {
                return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
            }
            Ok(peers().join("build/fastagi"))
        }
        Whose::AsteriskRs => {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            // Started in its folder, below ours, where the flags of our own `.cargo/config.toml` apply.
            let made = Command::new(cargo)
                .args(["build", "--release", "--locked", "--message-format", "json-render-diagnostics"])
                .args(["--target-dir", "../build/target"])
                .current_dir(peers().join("asterisk-rs-agi"))
                .output()?;
            let messages = String::from_utf8_lossy(&made.stdout);
            let file = messages.rsplit_once(r#""executable":""#).and_then(|(_, rest)| rest.split('"').next());
            match file {
                Some(file) if made.status.success() => Ok(file.into()),
                _ => Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned())),
            }
        }
    }
}

impl Server {
    /// Starts a server, and plays a first game on it.
    pub fn start(whose: Whose, program: &Path, scripts: &Path, options: &[&str]) -> io::Result<Self> {
        // A port that is free now. If another process takes it in between, the server doesn't start.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let mut command = Command::new(program);
        match whose {
            Whose::Ours => {
                command.args(["serve", "--listen", &address.to_string()]).arg("--scripts").arg(scripts).args(options)
            }
            Whose::C | Whose::AsteriskRs => command.arg(port.to_string()),
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { whose, address, child };
        let end = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if Instant::now() > end {
                return Err(io::Error::other("it does not listen"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let (_, commands) = load::call(address, GAME)?;
        if commands.len() < GAME.min_commands as usize {
            return Err(io::Error::other(format!("its first game had only the commands {commands:?}")));
        }
        Ok(server)
    }

    /// Returns its processor time so far.
    pub fn processor_time(&self) -> io::Result<Duration> {
        processor_time(self.child.id())
    }

    pub fn memory(&self) -> io::Result<Memory> {
        let resident = resident(self.child.id())?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let machine = std::fs::read_to_string("/proc/meminfo")?;
        let number = |text: &str, name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap()
        };
        Ok(Memory {
            resident,
            page_tables: number(&status, "VmPTE:"),
            threads: number(&status, "Threads:"),
            kernel: ["KernelStack:", "PageTables:", "SUnreclaim:"].map(|name| number(&machine, name)).iter().sum(),
            available: number(&machine, "MemAvailable:"),
        })
    }
}

/// Returns the memory that a process holds, in KiB.
pub fn resident(process: u32) -> io::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap())
}

/// Returns the processor time of a process so far, including that of ended threads. The kernel computes it from the same
/// nanoseconds as schedstat, but `/proc/PID/schedstat` knows only the first thread, and those of other threads end with
/// them; this sum is exact to a tick.
pub fn processor_time(process: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap_or_default().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Returns the processor time of the whole machine in seconds: the part in use, including other guests of its host, and
/// all.
pub fn machine_time() -> io::Result<[f64; 2]> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let ticks = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let seconds: Vec<f64> =
        ticks.map(|ticks| ticks.parse::<f64>().unwrap() / rustix::param::clock_ticks_per_second() as f64).collect();
    let all: f64 = seconds.iter().sum();
    // The fourth and fifth are idle and waiting for disks.
    Ok([all - seconds[3] - seconds[4], all])
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
