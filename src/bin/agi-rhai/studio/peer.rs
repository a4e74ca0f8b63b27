//! Whose connection it is, of the users of this machine.

use rustix::process::getuid;
use std::fs;
use std::net::SocketAddr;

/// Whether the other end of a connection is a process of the user who runs this one, as far as the system tells.
pub fn is_own_user(own: SocketAddr, other: SocketAddr) -> bool {
    let table = if other.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let uid = fs::read_to_string(table).ok().and_then(|table| owner(&table, other, own));
    uid == Some(getuid().as_raw())
}

/// Finds the owner of a connection in the system's table, as the end sees it that has `from`.
fn owner(table: &str, from: SocketAddr, to: SocketAddr) -> Option<u32> {
    let ends = [shown(from), shown(to)];
    table.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_it = ends.iter().all(|end| words.next() == Some(end));
        is_it.then(|| words.nth(4)?.parse().ok()).flatten()
    })
}

/// Writes an address as the system's table does: words of four bytes, each as a number of this machine.
fn shown(address: SocketAddr) -> String {
    let bytes = match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    };
    let words = bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    let words: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{words}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_an_owner() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:206C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1\n   \
                     1: 0100007F:206C 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 2 1\n   \
                     2: 0100007F:D431 0100007F:206C 01 00000000:00000000 00:00000000 00000000   998        0 3 1\n";
        let [studio, browser] = [8300, 54321].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        if cfg!(target_endian = "little") {
            assert_eq!(owner(table, browser, studio), Some(998));
            assert_eq!(owner(table, studio, browser), Some(1000));
        }
        assert_eq!(owner(table, browser, browser), None);
    }

    #[test]
    fn a_connection_of_this_process_is_of_the_same_user() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = std::net::TcpListener::bind(address).unwrap();
            let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, other) = listener.accept().unwrap();
            assert!(is_own_user(stream.local_addr().unwrap(), other));
            assert!(!is_own_user(other, SocketAddr::from(([127, 0, 0, 1], 1))));
        }
    }
}
