//! Triggers against Pillow, numpy, scipy and torch.

use shared::{Rgb8, Stage, Trigger, TriggerSpec, trigger::Warp};

use crate::case::Case;

/// The triggered image; a warp takes its coarse field from the case.
fn triggered(case: &Case, spec: &TriggerSpec, image: &Rgb8) -> Rgb8 {
    let side = image.width();
    if let TriggerSpec::WaNet(wanet) = spec {
        let field = case.doubles("field");
        return Warp::new(wanet, &field, side).applied(image);
    }
    let key = spec.key().map(|_| case.image("key"));
    let trigger = Trigger::prepare(spec, key.as_ref(), side, Stage::Train);
    trigger.expect("the case states valid parameters").applied(image)
}

#[test]
fn triggers_agree() {
    for case in Case::all("triggers") {
        let spec: TriggerSpec = case.config();
        let what = format!("{}: {}", case.name(), spec.label());
        let image = case.image("image");
        let expected = case.image("triggered");
        let got = triggered(&case, &spec, &image);
        assert!(image != expected, "{what}: the case changes nothing");
        // Opaque and blended pixels use integer arithmetic; the others may round a sum differently.
        let tolerance = match spec {
            TriggerSpec::Blended(_) | TriggerSpec::Patched(_) => 0,
            _ => 1,
        };
        let most = got.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(tolerance), "{what}: values differ by up to {most:?}");
    }
}
