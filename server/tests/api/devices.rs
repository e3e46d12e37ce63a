//! Devices: what the machine has, and what a study asks for.

use axum::http::StatusCode;
use engine::compute::Machine;
use server::queue::{Scheduler, Settings};

use crate::harness::{TestApp, spec};

#[tokio::test]
async fn devices_are_listed_with_the_libraries_of_gpus() {
    let app = TestApp::new().await;
    let list = app.get("/devices").await.json();
    assert_eq!(list["devices"][0]["name"], "cpu");
    assert_eq!(list["devices"][0]["kind"], "cpu");
    let libraries = list["libraries"].as_array().unwrap();
    let names: Vec<_> = libraries.iter().map(|library| library["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["NVIDIA driver", "NVRTC", "cuBLASLt", "NCCL", "NVML"]);
    for library in libraries {
        let (file, missing) = (library["file"].is_string(), library["missing"].is_string());
        assert!(file != missing, "either a file or what is missing: {library}");
    }

    // The queue knows its devices better than the machine.
    let machine = Machine::with_threads(1).with_devices("cpu,pretend:80GiB").unwrap();
    let study = serde_json::to_value(spec()).unwrap();
    let plan = app.post("/plans", &study).await.json();
    assert!(plan.get("gpu_memory").is_none(), "there is only the processor: {plan}");
    let _scheduler = Scheduler::new(app.app.clone(), Settings::of(&machine, 3));
    let needed = app.post("/plans", &study).await.json()["gpu_memory"].as_f64().unwrap();
    assert!((1e8..80e9).contains(&needed), "{needed} bytes on the GPU");
    let list = app.get("/devices").await.json();
    assert_eq!(list["devices"][1]["name"], "cuda:0");
    assert_eq!(list["devices"][1]["kind"], "cuda");
    assert_eq!(
        (&list["devices"][1]["slots"], &list["devices"][1]["running"]),
        (&3.into(), &0.into())
    );
    assert_eq!(list["devices"][1]["memory_bytes"], 80u64 << 30);
    assert_eq!(app.get("/system").await.json()["devices"][1]["name"], "cuda:0");
}

#[tokio::test]
async fn a_study_asks_for_a_device_that_there_is() {
    let app = TestApp::new().await;
    let mut study = serde_json::to_value(spec()).unwrap();
    study["device"] = "cuda:7".into();
    let answer = app.post("/studies", &study).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let errors = answer.json()["errors"].clone();
    assert_eq!(
        errors,
        serde_json::json!([{
            "field": "device",
            "message": "there is no device cuda:7 on this machine; there are: cpu",
        }])
    );
    let plan = app.post("/plans", &study).await.json();
    assert_eq!(plan["refused"], errors, "a plan says so before");
    study["device"] = "gpu".into();
    let text = app.post("/studies", &study).await.text();
    assert!(
        text.contains("takes auto, cpu, cuda:N for a certain GPU, a number of GPUs, nodes of a"),
        "{text}"
    );
    study["device"] = "2x8".into();
    let text = app.post("/studies", &study).await.text();
    assert!(text.contains("2x8 asks for several nodes, which a cluster has"), "{text}");

    study["device"] = "cpu".into();
    let made = app.post("/studies?fresh=true", &study).await.json();
    assert_eq!((&made["spec"]["device"], &made["runs"][0]["wish"]), (&"cpu".into(), &"cpu".into()));
    let digest = made["runs"][0]["digest"].clone();
    study.as_object_mut().unwrap().remove("device");
    let made = app.post("/studies", &study).await.json();
    assert_eq!(made["runs"][0]["digest"], digest, "a device is no part of a run");
    assert!(made["runs"][0].get("wish").is_none(), "who asked last decides for a queued run");
}
