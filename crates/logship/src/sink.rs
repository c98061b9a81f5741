use std::collections::VecDeque;
use std::io;

use logdriver::OptError;
use rustix::io::Errno;

use crate::ShipError;
use crate::connection::Connection;
use crate::fluentd::{self, Fluentd};
use crate::gelf::Gelf;
use crate::info::Info;
use crate::journald::Journald;
use crate::message::Message;
use crate::syslog::Syslog;

/// A receiver of logs, connected or not.
#[derive(Debug)]
pub struct Sink {
    driver: Driver,
    connection: Option<Connection>,
}

#[derive(Debug)]
enum Driver {
    Syslog(Syslog),
    Gelf(Gelf),
    Fluentd(Fluentd),
    Journald(Journald),
}

impl Sink {
    /// What a container's log driver means. Nothing is connected yet.
    ///
    /// # Errors
    /// Options or a tag that are wrong; a driver that is not remote.
    pub fn new(driver: &str, info: &Info) -> Result<Self, ShipError> {
        let driver = match driver {
            "syslog" => Driver::Syslog(Syslog::new(info)?),
            "gelf" => Driver::Gelf(Gelf::new(info)?),
            "fluentd" => Driver::Fluentd(Fluentd::new(info)?),
            "journald" => Driver::Journald(Journald::new(info)?),
            other => return Err(OptError::UnknownDriver(other.to_owned()).into()),
        };
        Ok(Self { driver, connection: None })
    }

    /// Connects, as at the start of a container: a receiver that is not there is an error, unless the options say that it
    /// may come later.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn connect(&mut self) -> Result<(), ShipError> {
        if matches!(&self.driver, Driver::Fluentd(f) if f.settings.lazy) {
            return Ok(());
        }
        self.connection = Some(self.dial().await?);
        Ok(())
    }

    async fn dial(&self) -> Result<Connection, ShipError> {
        match &self.driver {
            Driver::Syslog(syslog) => syslog.connect().await,
            Driver::Gelf(gelf) => gelf.connect().await,
            Driver::Fluentd(fluentd) => fluentd.connect().await,
            Driver::Journald(journald) => journald.connect().await,
        }
    }

    /// Sends messages, connecting first if need be; those that are sent leave the queue. After an error the rest is to be
    /// sent again.
    pub(crate) async fn send(&mut self, queue: &mut VecDeque<Message>) -> Result<(), ShipError> {
        if self.connection.as_mut().is_some_and(Connection::is_closed) {
            self.connection = None;
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.dial().await?,
        };
        // Dropped if it fails.
        self.send_on(&mut connection, queue).await?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn send_on(&mut self, connection: &mut Connection, queue: &mut VecDeque<Message>) -> Result<(), ShipError> {
        if connection.is_datagram() {
            while let Some(message) = queue.front() {
                for datagram in self.datagrams(message) {
                    match connection.send(&datagram).await {
                        Err(ShipError::Send(e)) if e.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => {
                            tracing::warn!("a log message of {} bytes is too long to be sent", datagram.len());
                        }
                        // Nobody listens: UDP does not care.
                        Err(ShipError::Send(e)) if is_udp_refusal(connection, &e) => {}
                        other => other?,
                    }
                }
                queue.pop_front();
            }
            return Ok(());
        }
        if let Driver::Fluentd(fluentd) = &self.driver
            && fluentd.settings.ack
        {
            while let Some(message) = queue.front() {
                let (bytes, chunk) = fluentd.encode(message);
                connection.send(&bytes).await?;
                fluentd::acknowledged(connection, &chunk.unwrap_or_default()).await?;
                queue.pop_front();
            }
            return Ok(());
        }
        let mut bytes = Vec::new();
        for message in &*queue {
            self.datagrams(message).iter().for_each(|part| bytes.extend_from_slice(part));
        }
        connection.send(&bytes).await?;
        queue.clear();
        Ok(())
    }

    /// What a message is on the wire; with datagrams, one by one.
    fn datagrams(&mut self, message: &Message) -> Vec<Vec<u8>> {
        let one = |bytes: Vec<u8>| if bytes.is_empty() { Vec::new() } else { vec![bytes] };
        match &mut self.driver {
            Driver::Syslog(syslog) => one(syslog.encode(message)),
            Driver::Gelf(gelf) => gelf.encode(message),
            Driver::Fluentd(fluentd) => one(fluentd.encode(message).0),
            Driver::Journald(journald) => one(journald.encode(message)),
        }
    }

    /// Ends the connection in order.
    pub(crate) async fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close().await;
        }
    }
}

fn is_udp_refusal(connection: &Connection, error: &io::Error) -> bool {
    matches!(connection, Connection::Udp(_)) && error.kind() == io::ErrorKind::ConnectionRefused
}
