//! [`Prometheus`]: the real program, with the rules of `grafana/`, scraping one server.

use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cairn_testkit::{skip_unless_required, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use crate::files::read;
use crate::server::PATIENCE;

/// A Prometheus that runs until its value is dropped.
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
}

/// A value and the labels that it has.
pub(crate) type Sample = (Value, f64);

impl Prometheus {
    /// Starts it; none where it is not installed. It scrapes once a second; `rewrite` is applied to the rules.
    pub(crate) fn scraping(server: SocketAddr, rewrite: impl Fn(String) -> String) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("rules")).unwrap();
        for name in ["rules/recording.yml", "rules/alerts.yml"] {
            fs::write(at(name), rewrite(read(name))).unwrap();
        }
        let config = read("prometheus.yml").replace("15s", "1s");
        let config = config.replace("127.0.0.1:8030", &server.to_string());
        assert!(config.contains(&server.to_string()), "{config}");
        fs::write(at("prometheus.yml"), config).unwrap();
        let address = free_address();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(at("log")).unwrap());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                skip_unless_required("prometheus", &error.to_string());
                return None;
            }
        };
        let mut prometheus = Self { child, address, directory };
        wait_until("Prometheus is ready", PATIENCE, || {
            let ended = prometheus.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", prometheus.log());
            prometheus.get("/-/ready").is_some_and(|(status, _)| status == 200)
        });
        Some(prometheus)
    }

    /// The samples of an expression now.
    #[track_caller]
    pub(crate) fn query(&self, expression: &str) -> Vec<Sample> {
        let data = self.data(&format!("/api/v1/query?query={}", escaped(expression)));
        let samples = data["result"].as_array().unwrap().iter();
        let value = |sample: &Value| sample["value"][1].as_str().unwrap().parse().unwrap();
        samples.map(|sample| (sample["metric"].clone(), value(sample))).collect()
    }

    /// The one value of an expression, if there is any.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Option<f64> {
        let samples = self.query(expression);
        assert!(samples.len() <= 1, "{expression}: {samples:?}");
        samples.first().map(|(_, value)| *value)
    }

    /// Waits until an expression has a value that will do.
    #[track_caller]
    pub(crate) fn wait_for(&self, expression: &str, will_do: impl Fn(f64) -> bool) {
        wait_until(expression, PATIENCE, || self.value(expression).is_some_and(&will_do));
    }

    /// The values of a label of a metric.
    pub(crate) fn label_values(&self, metric: &str, label: &str) -> Vec<String> {
        let path = format!("/api/v1/label/{label}/values?match%5B%5D={metric}");
        let data = self.data(&path);
        data.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    /// All rules as they are loaded: kind, name, expression, health.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let data = self.data("/api/v1/rules");
        let groups = data["groups"].as_array().unwrap().iter();
        groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    /// The names of the alerts that fire now.
    pub(crate) fn firing(&self) -> Vec<String> {
        let data = self.data("/api/v1/alerts");
        let firing = data["alerts"].as_array().unwrap().iter();
        let firing = firing.filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn data(&self, path: &str) -> Value {
        let (status, body) = self.get(path).expect("Prometheus answers");
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &answer["status"]), (200, &"success".into()), "{path}: {body}");
        answer["data"].take()
    }

    /// HTTP/1.0, so that the body ends with the connection.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.address).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    fn log(&self) -> String {
        let path: PathBuf = self.directory.path().join("log");
        fs::read_to_string(path).unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One that nobody has just now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An expression as a part of an address.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => escaped.push(byte.into()),
            _ => write!(escaped, "%{byte:02X}").unwrap(),
        }
        escaped
    })
}
