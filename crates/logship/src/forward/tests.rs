use logdriver::{JsonFileConfig, Stream, Writer};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::Info;

/// Far longer than anything takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

async fn lines(listener: &TcpListener, count: usize) -> Vec<String> {
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.expect("somebody comes").expect("accept");
    let mut lines = BufReader::new(stream).lines();
    let mut all = Vec::new();
    while all.len() < count {
        all.push(timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("read").expect("a line"));
    }
    all
}

fn sink(port: u16) -> Sink {
    let opts = [("syslog-address".to_owned(), format!("tcp://127.0.0.1:{port}"))].into();
    Sink::new("syslog", &Info { opts, ..crate::info::example() }).expect("sink")
}

#[tokio::test]
async fn what_arrived_is_not_sent_again() {
    let dir = tempfile::tempdir().expect("dir");
    let (log, position) = (dir.path().join("log"), dir.path().join("sent.json"));
    let config = JsonFileConfig { path: log.clone(), max_size: Some(500), max_file: 100, compress: false, attrs: None };
    let mut writer = Writer::open(&config).expect("writer");
    let mut put = |range: std::ops::Range<i64>| {
        for n in range {
            writer.write(Stream::Stdout, n, format!("line {n}\n").as_bytes()).expect("write");
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();

    put(0..30);
    let shipper = Shipper::start("c", sink(port), log.clone(), position.clone());
    let (first, ()) = tokio::join!(lines(&listener, 30), shipper.drain(PATIENCE));
    assert!(first[0].ends_with(": line 0") && first[29].ends_with(": line 29"), "{first:?}");

    put(30..60);
    let shipper = Shipper::start("c", sink(port), log.clone(), position.clone());
    let second = lines(&listener, 30).await;
    assert!(second[0].ends_with(": line 30") && second[29].ends_with(": line 59"), "{second:?}");
    shipper.drain(PATIENCE).await;

    // Nobody listens: what is written then waits for the next one.
    drop(listener);
    put(60..61);
    let shipper = Shipper::start("c", sink(port), log.clone(), position.clone());
    shipper.drain(Duration::from_millis(300)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    let shipper = Shipper::start("c", sink(port), log, position);
    let third = lines(&listener, 1).await;
    assert!(third[0].ends_with(": line 60"), "{third:?}");
    shipper.drain(PATIENCE).await;
}
