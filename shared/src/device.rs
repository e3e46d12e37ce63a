//! Devices that train, and which of them a run asks for.
//!
//! A device is no part of a run's identity: the same run on another device is the same run. What differs in the last bits is guarded
//! by the device's arithmetic, which the worker knows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Largest number of a GPU, of GPUs, and of nodes.
const MOST: u32 = 64;

/// What a device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// A cluster, which finds a device for each run itself.
    Cluster,
}

/// The device that a run asks for: `auto`, `cpu`, `cuda:N`, a number of GPUs, or several nodes of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceWish {
    /// A GPU where one is free to train, otherwise the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The GPU with this number.
    Cuda(u32),
    /// A device of the server's machine, where a cluster trains the other runs.
    Here,
    /// This many GPUs at once, whichever they are.
    Gpus(u32),
    /// Several nodes of a cluster at once.
    Nodes {
        /// How many, from 2.
        nodes: u32,
        /// GPUs of each; none for its processor.
        gpus: u32,
    },
}

impl DeviceWish {
    /// The values that it takes, as a predicate.
    pub const TAKES: &str = "takes auto, cpu, cuda:N for a certain GPU, a number of GPUs, nodes of a cluster as 2x8 or 2xcpu, or here for the server's machine instead of its cluster";

    /// Whether a specification may omit it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What it asks for, in a sentence: `waits for 2 GPUs`.
    pub fn in_words(self) -> String {
        match self {
            Self::Auto => "a device".into(),
            Self::Cpu => "the processor".into(),
            Self::Here => "the server's machine".into(),
            Self::Cuda(number) => format!("cuda:{number}"),
            Self::Gpus(1) => "a GPU".into(),
            Self::Gpus(count) => format!("{count} GPUs"),
            Self::Nodes { nodes, gpus: 0 } => format!("the processors of {nodes} nodes"),
            Self::Nodes { nodes, gpus: 1 } => format!("{nodes} nodes with a GPU each"),
            Self::Nodes { nodes, gpus } => format!("{nodes} nodes with {gpus} GPUs each"),
        }
    }

    /// How many nodes of a cluster it asks for.
    pub fn nodes(self) -> u32 {
        match self {
            Self::Nodes { nodes, .. } => nodes,
            Self::Auto | Self::Cpu | Self::Here | Self::Cuda(_) | Self::Gpus(_) => 1,
        }
    }

    /// Whether a device of this name and kind is one of those that it can use.
    pub fn takes(self, name: &str, kind: DeviceKind) -> bool {
        if kind == DeviceKind::Cluster {
            return self != Self::Here;
        }
        match self {
            Self::Auto | Self::Here => true,
            Self::Cpu => kind == DeviceKind::Cpu,
            Self::Gpus(_) => kind == DeviceKind::Cuda,
            Self::Cuda(number) => kind == DeviceKind::Cuda && name == format!("cuda:{number}"),
            Self::Nodes { .. } => false,
        }
    }

    /// How many devices it needs at once.
    pub fn count(self) -> usize {
        match self {
            Self::Gpus(count) => count as usize,
            Self::Auto | Self::Cpu | Self::Here | Self::Cuda(_) | Self::Nodes { .. } => 1,
        }
    }

    /// Why no set of these devices, each with its name and kind, can fulfil it; `None` if one can.
    pub fn unmet<'a>(
        self,
        devices: impl Iterator<Item = (&'a str, DeviceKind)> + Clone,
    ) -> Option<String> {
        let fitting = devices.clone().filter(|&(name, kind)| self.takes(name, kind)).count();
        let in_cluster = devices
            .clone()
            .any(|(name, kind)| kind == DeviceKind::Cluster && self.takes(name, kind));
        if fitting >= self.count() || in_cluster {
            return None;
        }
        let names: Vec<&str> = devices.map(|(name, _)| name).collect();
        let names = if names.is_empty() { "none".into() } else { names.join(", ") };
        Some(match self {
            Self::Gpus(count) if fitting > 0 => {
                format!("there are not {count} GPUs on this machine; there are: {names}")
            }
            Self::Gpus(_) => format!("there is no GPU to train on here; there are: {names}"),
            Self::Nodes { .. } => format!(
                "{self} asks for several nodes, which a cluster has: start the server with --executor slurm; there are: {names}"
            ),
            Self::Cuda(_) | Self::Cpu | Self::Here | Self::Auto => {
                format!("there is no device {self} on this machine; there are: {names}")
            }
        })
    }
}

impl fmt::Display for DeviceWish {
    /// As written in files and on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Here => f.write_str("here"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Gpus(count) => write!(f, "{count}"),
            Self::Nodes { nodes, gpus: 0 } => write!(f, "{nodes}xcpu"),
            Self::Nodes { nodes, gpus } => write!(f, "{nodes}x{gpus}"),
        }
    }
}

impl FromStr for DeviceWish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u32>().ok();
        let nodes = |text: &str| {
            let (nodes, each) = text.split_once('x')?;
            let nodes = number(nodes).filter(|nodes| (2..=MOST).contains(nodes))?;
            let gpus = match each {
                "cpu" => 0,
                each => number(each).filter(|gpus| (1..=MOST).contains(gpus))?,
            };
            Some(Self::Nodes { nodes, gpus })
        };
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "here" => Ok(Self::Here),
            text if text.contains('x') => {
                nodes(text).ok_or_else(|| format!("{}, not {text:?}", Self::TAKES))
            }
            text => match (text.strip_prefix("cuda:").and_then(number), number(text)) {
                (Some(number), _) if number < MOST => Ok(Self::Cuda(number)),
                (None, Some(count)) if (1..=MOST).contains(&count) => Ok(Self::Gpus(count)),
                _ => Err(format!("{}, not {text:?}", Self::TAKES)),
            },
        }
    }
}

impl Serialize for DeviceWish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceWish {
    /// From a text, or from a whole number of GPUs.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = DeviceWish;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("auto, cpu, cuda:N, a number of GPUs, nodes as 2x8 or 2xcpu, or here")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<DeviceWish, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<DeviceWish, E> {
                self.visit_str(&count.to_string())
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<DeviceWish, E> {
                self.visit_str(&count.to_string())
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_as_it_is_written() {
        for text in ["auto", "cpu", "here", "cuda:0", "cuda:63", "1", "8", "2xcpu", "64x8"] {
            let wish: DeviceWish = text.parse().expect("a wish");
            assert_eq!(wish.to_string(), text);
            let json = serde_json::to_string(&wish).expect("JSON");
            assert_eq!(serde_json::from_str::<DeviceWish>(&json).expect("a wish"), wish);
        }
        assert_eq!(serde_json::from_str::<DeviceWish>("2").expect("GPUs"), DeviceWish::Gpus(2));
        for text in [
            "", "gpu", "cuda", "cuda:", "cuda:x", "cuda:64", "0", "65", "-1", "cpu:0", "1.5",
            "1x8", "2x", "x2", "2x0", "2x8x2", "65xcpu",
        ] {
            let error = text.parse::<DeviceWish>().expect_err(text);
            assert!(
                error.starts_with(DeviceWish::TAKES) && error.ends_with(&format!("not {text:?}"))
            );
        }
    }

    #[test]
    fn what_cannot_be_met_is_told_with_what_there_is() {
        use DeviceKind::{Cpu, Cuda};
        let unmet = |wish: &str, devices: &[(&str, DeviceKind)]| {
            let wish: DeviceWish = wish.parse().expect("a wish");
            wish.unmet(devices.iter().copied())
        };
        let two = [("cpu", Cpu), ("cuda:0", Cuda), ("cuda:1", Cuda)];
        for wish in ["auto", "cpu", "cuda:1", "2"] {
            assert_eq!(unmet(wish, &two), None, "{wish}");
        }
        assert_eq!(
            unmet("cuda:7", &two).as_deref(),
            Some("there is no device cuda:7 on this machine; there are: cpu, cuda:0, cuda:1")
        );
        assert_eq!(
            unmet("3", &two).as_deref(),
            Some("there are not 3 GPUs on this machine; there are: cpu, cuda:0, cuda:1")
        );
        assert_eq!(
            unmet("1", &[("cpu:0", Cpu), ("cpu:1", Cpu)]).as_deref(),
            Some("there is no GPU to train on here; there are: cpu:0, cpu:1")
        );
        let nodes = unmet("2x8", &two).expect("no cluster");
        assert!(nodes.starts_with("2x8 asks for several nodes, which a cluster has"), "{nodes}");
        assert_eq!(unmet("2x8", &[("slurm", DeviceKind::Cluster)]), None);
        assert_eq!(unmet("here", &[("slurm", DeviceKind::Cluster), ("cpu", Cpu)]), None);
        assert_eq!(
            unmet("here", &[("slurm", DeviceKind::Cluster)]).as_deref(),
            Some("there is no device here on this machine; there are: slurm")
        );
        assert_eq!(unmet("cpu", &[("cpu:0", Cpu)]), None);
        assert_eq!(
            unmet("cpu", &[]).as_deref(),
            Some("there is no device cpu on this machine; there are: none")
        );
    }
}
