//! The game as a FastAGI server with asterisk-rs-agi, on the loopback interface. Usage: asterisk-rs-agi-peer PORT

use asterisk_rs_agi::error::{AgiError, Result};
use asterisk_rs_agi::{AgiChannel, AgiHandler, AgiRequest, AgiServer};

struct Game;

impl AgiHandler for Game {
    async fn handle(&self, request: AgiRequest, mut channel: AgiChannel) -> Result<()> {
        if request.network_script() == Some("hold") { hold(&mut channel).await } else { game(&mut channel).await }
    }
}

async fn hold(channel: &mut AgiChannel) -> Result<()> {
    // Its own limit of 30 seconds a command would end the wait.
    channel.set_command_timeout(None)?;
    channel.answer().await?;
    channel.get_data("subtraction-game-equals", 600_000, 2).await?;
    Ok(())
}

async fn game(channel: &mut AgiChannel) -> Result<()> {
    let mut score = 0;
    channel.answer().await?;
    channel.stream_file("subtraction-game-welcome", "").await?;
    for _ in 0..10 {
        let big = fastrand::i64(0..=21) + 10;
        let small = fastrand::i64(0..=big);
        channel.say_number(big, "").await?;
        channel.stream_file("subtraction-game-minus", "").await?;
        channel.say_number(small, "").await?;
        let reply = channel.get_data("subtraction-game-equals", 5000, 2).await?;
        if i64::from(reply.result) == big - small {
            score += 1;
            channel.stream_file("subtraction-game-good", "").await?;
        } else {
            channel.stream_file("subtraction-game-wrong", "").await?;
            channel.say_number(big - small, "").await?;
        }
    }
    channel.say_number(score, "").await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let usage = || AgiError::InvalidConfig { details: "usage: asterisk-rs-agi-peer PORT".to_owned() };
    let port = std::env::args().nth(1).ok_or_else(usage)?;
    let server =
        AgiServer::builder().bind(format!("127.0.0.1:{port}")).handler(Game).max_connections(20_000).build().await?;
    server.0.run().await
}
