//! Searching an index and fetching files, against a web server of a few lines.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use registry_client::{Credentials, Error};

use crate::client;

/// Answers each request with what `answer` makes of its first line; keeps the heads.
fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("address");
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
                if !head[0].is_ascii_uppercase() {
                    // A TLS hello: this server speaks without.
                    break;
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let Some(line) = head.lines().next().filter(|l| l.contains(" /")) else { continue };
            let text = answer(line);
            seen.lock().expect("lock").push(head.clone());
            let _ = stream.write_all(text.as_bytes());
        }
    });
    (address, heads)
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn an_index_is_searched_with_the_credentials_meant_for_it() {
    let hits = r#"{"num_results":1,"results":[{"name":"a/b","star_count":3,"is_official":true,"description":"d"}]}"#;
    let (address, heads) = serve(move |line| match line {
        "GET /v1/search?q=wo%20rd&n=7 HTTP/1.1" => reply("200 OK", "", hits),
        _ => reply("503 Service Unavailable", "", ""),
    });
    let own = Credentials { username: "u".into(), password: "p".into(), ..Credentials::default() };
    let found = client().search(&format!("{address}/wo rd"), 7, Some(&own)).await.expect("finds");
    assert_eq!((found[0].name.as_str(), found[0].star_count, found[0].is_official), ("a/b", 3, true));
    assert!(
        heads
            .lock()
            .expect("lock")
            .concat()
            .to_ascii_lowercase()
            .contains("authorization: basic dtpw".to_lowercase().as_str())
    );
    heads.lock().expect("lock").clear();
    let foreign = Credentials { server_address: "https://other.example".into(), ..own };
    client().search(&format!("{address}/wo rd"), 7, Some(&foreign)).await.expect("finds");
    assert!(!heads.lock().expect("lock").concat().to_ascii_lowercase().contains("authorization"));
    let e = client().search(&format!("{address}/other"), 7, None).await.expect_err("is refused");
    assert_eq!(e.to_string(), "Unexpected status code 503");
    let e = client().search("https://x/y", 7, None).await.expect_err("is refused");
    assert!(matches!(e, Error::InvalidSearch { .. }), "{e}");
}

#[tokio::test]
async fn files_are_fetched_and_refusals_told() {
    let (address, _) = serve(|line| match line {
        "GET /moved HTTP/1.1" => reply("302 Found", "Location: /file\r\n", ""),
        "GET /file HTTP/1.1" => reply("200 OK", "", "bytes"),
        "GET /short HTTP/1.1" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbytes".to_owned(),
        "GET /loop HTTP/1.1" => reply("302 Found", "Location: /loop\r\n", ""),
        _ => reply("404 Not Found", "", " gone \n"),
    });
    let fetch = async |path: &str| -> Result<Vec<u8>, Error> {
        let mut download = client().download(&format!("http://{address}/{path}")).await?;
        let mut all = Vec::new();
        while let Some(piece) = download.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    };
    assert_eq!(fetch("moved").await.expect("fetches"), b"bytes");
    let e = fetch("nothing").await.expect_err("is refused").to_string();
    assert_eq!(e, format!("failed to GET http://{address}/nothing with status 404 Not Found: gone"));
    assert!(fetch("short").await.is_err(), "a cut file is no file");
    assert!(fetch("loop").await.expect_err("ends").to_string().contains("stopped after 10 redirects"));
    for bad in ["ftp://x/y", "http://", "nonsense"] {
        assert!(matches!(client().download(bad).await, Err(Error::InvalidUrl { .. })), "{bad}");
    }
}
