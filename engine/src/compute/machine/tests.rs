use super::*;

#[test]
fn the_environment_is_taken_as_it_says() {
    let machine = Machine::chosen(Chosen {
        threads: Some("3"),
        kernels: Some("portable"),
        image_memory: Some("7"),
        devices: None,
    })
    .unwrap();
    assert_eq!((machine.threads(), machine.image_memory()), (3, 7 << 20));
    let used: Vec<_> = machine.instruction_sets().into_iter().filter(|set| set.is_used).collect();
    assert_eq!(used.iter().map(|set| set.name).collect::<Vec<_>>(), ["portable"]);
    let device = &machine.devices()[0];
    assert_eq!((device.name.as_str(), device.threads), ("cpu", 3));
    assert!(device.description.ends_with(", portable"), "{}", device.description);

    let odd = Chosen { threads: Some("0"), image_memory: Some("much"), ..Chosen::default() };
    let usual = Machine::chosen(odd).unwrap();
    assert!(usual.threads() >= 1);
    assert_eq!(usual.image_memory(), 2048 << 20);
}

#[test]
fn a_processor_can_be_several_devices_of_the_same_bits() {
    let chosen =
        |devices| Chosen { threads: Some("5"), devices: Some(devices), ..Chosen::default() };
    let machine = Machine::chosen(chosen("cpu, cpu")).unwrap();
    let devices = machine.devices();
    let told: Vec<_> =
        devices.iter().map(|device| (device.name.as_str(), device.threads)).collect();
    assert_eq!(told, [("cpu:0", 2), ("cpu:1", 3)], "all five");
    let second = machine.clone().on("cpu:1").unwrap();
    assert_eq!((second.device_name().as_str(), second.threads()), ("cpu:1", 3));
    let bits = |machine: &Machine| machine.device(settings::Precision::F32).unwrap().bits();
    assert_eq!(bits(&second), bits(&machine));
    let error = machine.clone().on("cpu").unwrap_err().to_string();
    assert_eq!(error, "there is no device cpu; there are: cpu:0, cpu:1");
    let error = Machine::chosen(chosen("cpu,cuda:0")).unwrap_err().to_string();
    assert!(error.starts_with("MASKDOOR_DEVICES: \"cuda:0\" is not a device"), "{error}");
}

/// A machine whose driver lists these GPUs, with the devices of a list.
fn machine_of(gpus: Vec<GpuInfo>, list: Option<&str>) -> Result<Machine, EngineError> {
    let chosen = Chosen { threads: Some("8"), ..Chosen::default() };
    let machine = Machine { gpus: Arc::new(OnceLock::from(Ok(gpus))), ..Machine::chosen(chosen)? };
    list.map_or(Ok(machine.clone()), |list| machine.with_devices(list))
}

fn gpu(ordinal: u32, capability: (u32, u32)) -> GpuInfo {
    GpuInfo {
        ordinal,
        name: "NVIDIA H200".into(),
        memory_bytes: 141 << 30,
        capability,
        multiprocessors: 132,
        cuda: (13, 0),
        driver: Some("580.95.05".into()),
        uuid: None,
    }
}

#[test]
fn pretended_gpus_are_named_like_real_ones_and_train_on_the_processor() {
    let list = "pretend:80GiB, cpu,pretend:24GiB";
    let machine = machine_of(Vec::new(), Some(list)).unwrap();
    let devices = machine.devices();
    let told: Vec<_> = devices
        .iter()
        .map(|device| (device.name.as_str(), device.kind, device.memory_bytes >> 30))
        .collect();
    assert_eq!(told[0], ("cuda:0", DeviceKind::Cuda, 80));
    assert_eq!((told[1].0, told[1].1), ("cpu", DeviceKind::Cpu));
    assert_eq!(told[2], ("cuda:1", DeviceKind::Cuda, 24));
    assert!(devices[0].description.starts_with("pretended GPU, on "));
    assert_eq!(machine.device_list().as_deref(), Some("pretend:80GiB,cpu,pretend:24GiB"));
    // Of eight threads, three devices have 2, 3 and 3.
    let both = machine.clone().on("cuda:0,cuda:1").unwrap();
    assert_eq!((both.device_name().as_str(), both.threads()), ("cuda:0,cuda:1", 5));
    let threads = devices.iter().map(|device| device.threads);
    assert_eq!(threads.collect::<Vec<_>>(), [2, 3, 3]);
    let error = machine.on("cuda:0,cuda:2").unwrap_err().to_string();
    assert_eq!(error, "there is no device cuda:2; there are: cuda:0, cpu, cuda:1");
}

#[test]
fn a_processor_refuses_the_precisions_of_gpus_in_words() {
    use settings::Precision;
    for list in ["cpu", "pretend:80GiB"] {
        let machine = machine_of(Vec::new(), Some(list)).unwrap();
        assert!(machine.device(Precision::F32).is_ok());
        assert!(machine.device(Precision::Bf16).is_ok());
        for precision in [Precision::Tf32, Precision::Bf16Stream] {
            let error = machine.device(precision).err().expect("not here").to_string();
            let told = format!("{} is computed by GPUs only: ", precision.as_str());
            assert!(error.contains(&told), "{error}");
        }
    }
}

#[test]
fn a_list_that_names_what_is_not_there_is_refused_with_what_is() {
    let told = |list: &str| machine_of(vec![gpu(0, (7, 5))], Some(list)).unwrap_err().to_string();
    assert_eq!(told("gpu"), "\"gpu\" is not a device of this machine; it has cpu");
    assert_eq!(told("cpu,"), "\"\" is not a device of this machine; it has cpu");
    assert_eq!(told("cuda:3"), "\"cuda:3\" is not a device of this machine; it has cpu");
    assert!(told("cuda:0").starts_with(
        "\"cuda:0\" is not a device of this machine to train on (NVIDIA H200 has compute capability 7.5"
    ));
    for size in ["80", "GiB", "0GiB", "80GB", "-1GiB"] {
        let list = format!("pretend:{size}");
        let error = told(&list);
        assert!(error.contains("a pretended GPU is written pretend:80GiB"), "{error}");
    }
}

#[test]
fn a_gpu_that_no_run_is_given_to_is_listed_with_the_reason() {
    let machine = machine_of(vec![gpu(0, (9, 0)), gpu(1, (7, 5))], None).unwrap();
    let idle = machine.idle_gpus();
    let offered = machine.devices();
    assert_eq!(idle.len() + offered.len(), 3, "the processor and two GPUs");
    assert_eq!((offered[0].name.as_str(), offered[0].kind), ("cpu", DeviceKind::Cpu));
    let old = idle.last().unwrap();
    assert_eq!((old.name.as_str(), old.capability.as_deref()), ("cuda:1", Some("7.5")));
    assert_eq!(old.description, "NVIDIA H200, 132 multiprocessors, CUDA 13.0, driver 580.95.05");
    assert!(old.refusal.as_deref().unwrap().contains("training takes 8.0 or above"));
    // Whatever can be trained on is offered, and nothing else.
    let able = Machine::can_train_on(&gpu(0, (9, 0))).is_ok();
    assert_eq!(offered.iter().any(|device| device.name == "cuda:0"), able);
    assert_eq!(idle.iter().any(|device| device.name == "cuda:0"), !able);
}

#[test]
fn an_instruction_set_that_is_none_is_refused_by_name() {
    let chosen = Chosen { kernels: Some("sse9"), ..Chosen::default() };
    let error = Machine::chosen(chosen).unwrap_err().to_string();
    assert!(error.starts_with("MASKDOOR_KERNELS: \"sse9\" is not one of "), "{error}");
}
