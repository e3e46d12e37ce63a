//! How fast the devices train, as their finished runs measured it.

use std::collections::BTreeMap;

use shared::{
    RunKind, Settings,
    api::DeviceInfo,
    param,
    settings::Precision,
    study::{MeasuredPace, Pace, training_operations},
};

use crate::{
    App,
    store::{StoreError, speeds::MeasuredSpeed},
};

/// How many of a device's last runs count, for each kind and precision.
const LAST: usize = 8;

impl App {
    /// The devices that runs are assigned to, with what runs took on them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn paced_devices(&self) -> Result<Vec<DeviceInfo>, StoreError> {
        let mut devices = self.offered_devices();
        let speeds = self.store.measured_speeds().await?;
        for device in &mut devices {
            device.pace = pace(device, &speeds);
        }
        Ok(devices)
    }
}

/// The pace of a device from its runs, the newest first: medians of the measured seconds of an image over the expected ones.
fn pace(device: &DeviceInfo, speeds: &[MeasuredSpeed]) -> Pace {
    let speed = device.speed();
    let mut factors: BTreeMap<(RunKind, &str), (Precision, Vec<f64>)> = BTreeMap::new();
    for run in speeds.iter().filter(|run| run.device == device.name) {
        let settings = param::with(&Settings::default(), &run.settings);
        let expected = speed.expected(training_operations(run.kind, &settings));
        let precision = settings.precision;
        let of = factors.entry((run.kind, precision.as_str()));
        let (_, factors) = of.or_insert_with(|| (precision, Vec::new()));
        if factors.len() < LAST {
            factors.push(1.0 / (run.images_per_second * expected));
        }
    }
    let measured = factors.into_iter().map(|((kind, _), (precision, mut factors))| {
        factors.sort_by(f64::total_cmp);
        let runs = factors.len() as u32;
        // Of an even number the slower one: an estimate had better be too long.
        MeasuredPace { kind, precision, factor: factors[factors.len() / 2], runs }
    });
    Pace { measured: measured.collect() }
}

#[cfg(test)]
mod tests {
    use engine::compute::Machine;
    use shared::param::Value;

    use super::*;

    fn run(device: &str, precision: &str, images_per_second: f64) -> MeasuredSpeed {
        let settings = [
            ("precision", Value::Text(precision.into())),
            ("pretrain.mask_ratio", Value::Number(0.75)),
        ];
        MeasuredSpeed {
            device: device.into(),
            kind: RunKind::Pretrain,
            settings: settings.map(|(path, value)| (path.to_owned(), value)).into(),
            images_per_second,
        }
    }

    #[test]
    fn a_pace_is_the_median_of_a_devices_last_runs() {
        let device = Machine::with_threads(2).devices().swap_remove(0);
        let expected =
            device.speed().expected(training_operations(RunKind::Pretrain, &Settings::default()));
        // Of the default model, at 2, 3 and 4 times the expected seconds; others do not count.
        let at = |factor: f64| 1.0 / (factor * expected);
        let mut speeds = vec![
            run(&device.name, "f32", at(2.0)),
            run("another", "f32", at(50.0)),
            run(&device.name, "bf16", at(0.5)),
            run(&device.name, "f32", at(4.0)),
            run(&device.name, "f32", at(3.0)),
        ];
        let found = pace(&device, &speeds);
        let factor = |pace: &Pace, precision| pace.factor(RunKind::Pretrain, precision).unwrap();
        assert!((factor(&found, Precision::F32) - 3.0).abs() < 1e-9, "{found:?}");
        assert!((factor(&found, Precision::Bf16) - 0.5).abs() < 1e-9, "{found:?}");
        // Old runs are forgotten.
        speeds.splice(0..0, (0..LAST).map(|_| run(&device.name, "f32", at(7.0))));
        assert!((factor(&pace(&device, &speeds), Precision::F32) - 7.0).abs() < 1e-9);
        assert!(pace(&device, &[]).is_empty());
    }
}
