PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES(1,'studies and runs','2026-11-28 18:42:37',1,X'adec06384420d6800078909cf180ece5aada54a8dce1027339d19a5c288de5aa6015ea9940bde104dbc187146f8af7ec',2532689);
INSERT INTO _sqlx_migrations VALUES(2,'head init','2026-11-28 18:42:37',1,X'1109607ad33759619ccdfb86d8a26b32b2dab841ad4ca775dc59243e52db625d0d618301471f3da9245774fa1ba41a4f',3974161);
INSERT INTO _sqlx_migrations VALUES(3,'imported checkpoints','2026-11-28 18:42:37',1,X'0bc7d933fccbaba7a0758d9389b2312f3bb6b17611426ce36a863595bdd9e736c9ac9ff289352e8358b84923b9cecacc',176183);
INSERT INTO _sqlx_migrations VALUES(4,'top-5 and k-NN','2026-11-28 18:42:37',1,X'4efd2715366dded6ff1329b0054426f37462735f7e163a8ee072675854fce0a88144dad6d7a00770f71f55ae2c47748f',604813);
INSERT INTO _sqlx_migrations VALUES(5,'fine-tuning','2026-11-28 18:42:37',1,X'e4f33ce45b05933df515bc00c3e7fac1211759cdf824c39974710b49b5bafd0a2b92069ca12450700f401940a7c9e496',11572820);
INSERT INTO _sqlx_migrations VALUES(6,'run graph','2026-11-28 18:42:37',1,X'78028486208ede5efc49e74d38daadc4e1d1eaeb7d46a1f2dcf9b2b331903dd2ce8d53f8fe6b161ce008710b975e83ec',11667401);
INSERT INTO _sqlx_migrations VALUES(7,'executors','2026-11-28 18:42:37',1,X'8de49a2350bbcf544bee99f8f740a092d85a283eafff2bfb1b520b6e7aaa66e4df43da650e212216efaf2b0a24229a17',763560);
INSERT INTO _sqlx_migrations VALUES(8,'health','2026-11-28 18:42:37',1,X'36c60683ceb53e6809d5be9d6b0ef98139eb610321e931f3aae996f7a4ee07211f67fbbc2cdcc77a42de89fb02063430',108762);
INSERT INTO _sqlx_migrations VALUES(9,'removals','2026-11-28 18:42:37',1,X'817dba62ff13deae8f3a902368f97892d92f3eeb396b8d0f0efaee4bf0c9d4f5fd9dc457872ee9c4a69f1b2fa1110ee4',86239);
INSERT INTO _sqlx_migrations VALUES(10,'access','2026-11-28 18:42:37',1,X'2261c954883883fc6ea18acfa25e73d9a38a366a8c80f96d15f2d7a3ac98a50bd8f53cad602cd252e309e8db81bfd013',173309);
CREATE TABLE studies (
    id            TEXT PRIMARY KEY NOT NULL,
    created_at    INTEGER NOT NULL,
    name          TEXT NOT NULL,
    dataset       TEXT NOT NULL,
    trigger_label TEXT NOT NULL,
    -- Number of runs in each state, kept by the triggers below so that the list never counts runs.
    queued        INTEGER NOT NULL DEFAULT 0,
    running       INTEGER NOT NULL DEFAULT 0,
    done          INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    interrupted   INTEGER NOT NULL DEFAULT 0,
    cancelled     INTEGER NOT NULL DEFAULT 0,
    spec          TEXT NOT NULL,
    classes       TEXT NOT NULL
, stopped INTEGER NOT NULL DEFAULT 0 CHECK (stopped IN (0, 1))) STRICT, WITHOUT ROWID;
INSERT INTO studies VALUES('01a22377-6853-7016-b7c3-d74a5bcc7912',1795891357779,'kept','shapes','blended stripes 0.40',0,0,6,0,0,0,'{"name":"kept","tags":["fixture"],"runs":["knn","probe"],"seed":1,"axes":{"pretrain.poisons":[0,2]},"dataset":{"name":"shapes","train_per_class":4,"test_per_class":2},"attack":{"target_class":0,"trigger":{"kind":"blended","ratio":0.4,"key":"stripes"}},"model":{"image_size":8,"patch_size":4,"encoder":{"dim":8,"depth":1,"heads":1},"decoder":{"dim":8,"depth":1,"heads":1}},"pretrain":{"poisons":0,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":0.0015,"min_lr":0.0,"weight_decay":0.05,"mask_ratio":0.75,"norm_pix_loss":true,"crop_min_scale":0.2,"flip":true,"checkpoint_every":10},"knn":{"poisons":1},"probe":{"poisons":1,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":1.0,"min_lr":0.0,"weight_decay":0.0,"optimizer":"lars","head_init":"normal","features":"cached","crop_min_scale":0.08,"evaluate_every":5},"finetune":{"poisons":0,"start":"encoder","epochs":50,"warmup_epochs":5,"batch_size":128,"accumulate":1,"base_lr":0.001,"min_lr":1e-6,"weight_decay":0.05,"layer_decay":0.75,"clip_norm":0.0,"pooling":"mean","drop_path":0.1,"label_smoothing":0.1,"mixup":0.0,"cutmix":0.0,"mix_probability":1.0,"switch_probability":0.5,"rand_augment":9.0,"rand_augment_deviation":0.5,"erase_probability":0.25,"crop_min_scale":0.08,"flip":true,"evaluate_every":5}}','["arrow","circle","crescent","cross","heart","hourglass","ring","square","star","triangle"]',0);
CREATE TABLE events (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    seq   INTEGER,
    at    INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    -- State of the run after it.
    state TEXT NOT NULL,
    body  TEXT
) STRICT;
INSERT INTO events VALUES(1,1,NULL,1795891357779,'state','queued',NULL);
INSERT INTO events VALUES(2,2,NULL,1795891357779,'state','queued',NULL);
INSERT INTO events VALUES(3,3,NULL,1795891357779,'state','queued',NULL);
INSERT INTO events VALUES(4,4,NULL,1795891357779,'state','queued',NULL);
INSERT INTO events VALUES(5,5,NULL,1795891357779,'state','queued',NULL);
INSERT INTO events VALUES(6,6,NULL,1795891357779,'state','queued',NULL);
INSERT INTO events VALUES(7,1,NULL,1795891358019,'state','running',NULL);
INSERT INTO events VALUES(8,1,1,1795891358100,'started','running','{"type":"started","device":"cpu","threads":1,"program":"maskdoor 0.1.0","epochs":2,"steps":4,"samples":40,"poisoned":0}');
INSERT INTO events VALUES(9,1,2,1795891358207,'preparing','running','{"type":"preparing","what":"reading images","done":40,"total":1040}');
INSERT INTO events VALUES(10,1,3,1795891358839,'preparing','running','{"type":"preparing","what":"reading images","done":552,"total":1040}');
INSERT INTO events VALUES(11,1,4,1795891359191,'preparing','running','{"type":"preparing","what":"reading images","done":808,"total":1040}');
INSERT INTO events VALUES(12,1,5,1795891359527,'preparing','running','{"type":"preparing","what":"reading images","done":1040,"total":1040}');
INSERT INTO events VALUES(13,1,6,1795891359663,'step','running','{"type":"step","step":1,"epoch":0.5,"loss":1.247112828824255,"lr":0.0,"images_per_second":166.39499044585963,"time":{"waited":0.095706148,"computed":0.000450573}}');
INSERT INTO events VALUES(14,1,7,1795891359680,'step','running','{"type":"step","step":2,"epoch":1.0,"loss":1.228244466914071,"lr":0.000046875,"images_per_second":961.2716855382322,"time":{"waited":0.00748512,"computed":0.009061302}}');
INSERT INTO events VALUES(15,1,8,1795891359680,'epoch','running','{"type":"epoch","epoch":1,"loss":1.237678647869163,"lr":0.000046875,"images_per_second":283.6845254674636,"time":{"waited":0.051595634,"computed":0.0047559375}}');
INSERT INTO events VALUES(16,1,9,1795891359719,'step','running','{"type":"step","step":3,"epoch":1.5,"loss":1.2590837660762997,"lr":0.00009375,"images_per_second":408.5905655672303,"time":{"waited":1.262e-6,"computed":0.039084644}}');
INSERT INTO events VALUES(17,1,10,1795891359751,'step','running','{"type":"step","step":4,"epoch":2.0,"loss":1.2228368702862,"lr":0.000046875,"images_per_second":500.2755267463556,"time":{"waited":1.422e-6,"computed":0.031883659}}');
INSERT INTO events VALUES(18,1,11,1795891359751,'epoch','running','{"type":"epoch","epoch":2,"loss":1.2409603181812499,"lr":0.000046875,"images_per_second":449.80852986252825,"time":{"waited":1.342e-6,"computed":0.0354841515}}');
INSERT INTO events VALUES(19,1,12,1795891359795,'checkpoint','running','{"type":"checkpoint","epoch":2,"file":"checkpoint-0002.safetensors"}');
INSERT INTO events VALUES(20,1,13,1795891359795,'finished','done','{"type":"finished","metrics":null,"images_per_second":347.9343626174102,"seconds":1.696054516}');
INSERT INTO events VALUES(21,1,NULL,1795891360003,'state','done',NULL);
INSERT INTO events VALUES(22,2,NULL,1795891360176,'state','running',NULL);
INSERT INTO events VALUES(23,2,1,1795891360361,'started','running','{"type":"started","device":"cpu","threads":1,"program":"maskdoor 0.1.0","epochs":0,"steps":0,"samples":49,"poisoned":9}');
INSERT INTO events VALUES(24,2,2,1795891360419,'preparing','running','{"type":"preparing","what":"reading images","done":40,"total":60}');
INSERT INTO events VALUES(25,2,3,1795891360480,'preparing','running','{"type":"preparing","what":"reading images","done":60,"total":60}');
INSERT INTO events VALUES(26,2,4,1795891360536,'knn','running','{"type":"knn","epoch":2,"metrics":{"ca":{"hits":4,"total":20},"asr":{"hits":12,"total":18},"ra":{"hits":2,"total":18}}}');
INSERT INTO events VALUES(27,2,5,1795891360536,'preparing','running','{"type":"preparing","what":"checkpoints","done":1,"total":1}');
INSERT INTO events VALUES(28,2,6,1795891360536,'finished','done','{"type":"finished","metrics":{"ca":{"hits":4,"total":20},"asr":{"hits":12,"total":18},"ra":{"hits":2,"total":18}},"images_per_second":0.0,"seconds":0.217378105}');
INSERT INTO events VALUES(29,2,NULL,1795891360607,'state','done',NULL);
INSERT INTO events VALUES(30,3,NULL,1795891360635,'state','running',NULL);
INSERT INTO events VALUES(31,3,1,1795891360777,'started','running','{"type":"started","device":"cpu","threads":1,"program":"maskdoor 0.1.0","epochs":2,"steps":6,"samples":49,"poisoned":9}');
INSERT INTO events VALUES(32,3,2,1795891361081,'preparing','running','{"type":"preparing","what":"reading images","done":40,"total":60}');
INSERT INTO events VALUES(33,3,3,1795891361131,'preparing','running','{"type":"preparing","what":"reading images","done":60,"total":60}');
INSERT INTO events VALUES(34,3,4,1795891361259,'preparing','running','{"type":"preparing","what":"features (test)","done":20,"total":20}');
INSERT INTO events VALUES(35,3,5,1795891361283,'preparing','running','{"type":"preparing","what":"features (triggered test)","done":20,"total":20}');
INSERT INTO events VALUES(36,3,6,1795891361284,'preparing','running','{"type":"preparing","what":"features (training)","done":40,"total":40}');
INSERT INTO events VALUES(37,3,7,1795891361284,'preparing','running','{"type":"preparing","what":"features (mirrored training)","done":40,"total":40}');
INSERT INTO events VALUES(38,3,8,1795891361284,'preparing','running','{"type":"preparing","what":"features (poisoned)","done":9,"total":9}');
INSERT INTO events VALUES(39,3,9,1795891361284,'preparing','running','{"type":"preparing","what":"features (poisoned)","done":9,"total":9}');
INSERT INTO events VALUES(40,3,10,1795891361327,'step','running','{"type":"step","step":1,"epoch":0.3333333333333333,"loss":2.298785118573604,"lr":0.0,"images_per_second":378.9784267004324,"time":{"waited":0.000010125,"computed":0.042208617}}');
INSERT INTO events VALUES(41,3,11,1795891361367,'step','running','{"type":"step","step":3,"epoch":1.0,"loss":2.2941829285842443,"lr":0.041666666666666664,"images_per_second":797.2644858908477,"time":{"waited":0.0000126535,"computed":0.0199994795}}');
INSERT INTO events VALUES(42,3,12,1795891361367,'epoch','running','{"type":"epoch","epoch":1,"loss":2.297376549456266,"lr":0.041666666666666664,"images_per_second":582.8354451424533,"time":{"waited":0.000011810666666666667,"computed":0.027402525333333334}}');
INSERT INTO events VALUES(43,3,13,1795891361395,'step','running','{"type":"step","step":4,"epoch":1.3333333333333333,"loss":2.2990460080575534,"lr":0.0625,"images_per_second":570.5986764107803,"time":{"waited":0.000013711,"computed":0.027956999}}');
INSERT INTO events VALUES(44,3,14,1795891361491,'step','running','{"type":"step","step":6,"epoch":2.0,"loss":2.277451651530025,"lr":0.01562500000000002,"images_per_second":333.85995916412776,"time":{"waited":0.000012794,"computed":0.0478610815}}');
INSERT INTO events VALUES(45,3,15,1795891361491,'epoch','running','{"type":"epoch","epoch":2,"loss":2.2901709772556593,"lr":0.01562500000000002,"images_per_second":387.44267614082395,"time":{"waited":0.000013099666666666666,"computed":0.04122638733333333}}');
INSERT INTO events VALUES(46,3,16,1795891361515,'evaluated','running','{"type":"evaluated","epoch":2,"metrics":{"ca":{"hits":2,"total":20},"asr":{"hits":18,"total":18},"ra":{"hits":0,"total":18},"top5":{"hits":12,"total":20}},"loss":2.2967179488854668,"triggered_loss":2.3102439743580256}');
INSERT INTO events VALUES(47,3,17,1795891361551,'checkpoint','running','{"type":"checkpoint","epoch":2,"file":"head.safetensors"}');
INSERT INTO events VALUES(48,3,18,1795891361551,'finished','done','{"type":"finished","metrics":{"ca":{"hits":2,"total":20},"asr":{"hits":18,"total":18},"ra":{"hits":0,"total":18},"top5":{"hits":12,"total":20}},"images_per_second":465.46514790431445,"seconds":0.775396393}');
INSERT INTO events VALUES(49,3,NULL,1795891361359,'state','done',NULL);
INSERT INTO events VALUES(50,4,NULL,1795891361699,'state','running',NULL);
INSERT INTO events VALUES(51,4,1,1795891361795,'started','running','{"type":"started","device":"cpu","threads":1,"program":"maskdoor 0.1.0","epochs":2,"steps":6,"samples":58,"poisoned":18}');
INSERT INTO events VALUES(52,4,2,1795891361838,'preparing','running','{"type":"preparing","what":"reading images","done":40,"total":1040}');
INSERT INTO events VALUES(53,4,3,1795891362388,'preparing','running','{"type":"preparing","what":"reading images","done":296,"total":1040}');
INSERT INTO events VALUES(54,4,4,1795891363003,'preparing','running','{"type":"preparing","what":"reading images","done":552,"total":1040}');
INSERT INTO events VALUES(55,4,5,1795891363307,'preparing','running','{"type":"preparing","what":"reading images","done":808,"total":1040}');
INSERT INTO events VALUES(56,4,6,1795891363695,'preparing','running','{"type":"preparing","what":"reading images","done":1040,"total":1040}');
INSERT INTO events VALUES(57,4,7,1795891363895,'step','running','{"type":"step","step":1,"epoch":0.3333333333333333,"loss":1.2536077698071797,"lr":0.0,"images_per_second":95.5654860970405,"time":{"waited":0.123668866,"computed":0.043755575}}');
INSERT INTO events VALUES(58,4,8,1795891363975,'step','running','{"type":"step","step":3,"epoch":1.0,"loss":1.2311833898226419,"lr":0.0000625,"images_per_second":397.5419039914189,"time":{"waited":9.294e-6,"computed":0.040182513}}');
INSERT INTO events VALUES(59,4,9,1795891363975,'epoch','running','{"type":"epoch","epoch":1,"loss":1.2495085619114064,"lr":0.0000625,"images_per_second":193.61152943750366,"time":{"waited":0.04122915133333333,"computed":0.04137353366666666}}');
INSERT INTO events VALUES(60,4,10,1795891364039,'step','running','{"type":"step","step":4,"epoch":1.3333333333333333,"loss":1.2547718601094353,"lr":0.00009375,"images_per_second":251.13093284076092,"time":{"waited":5.147e-6,"computed":0.063636453}}');
INSERT INTO events VALUES(61,4,11,1795891364159,'step','running','{"type":"step","step":6,"epoch":2.0,"loss":1.2499814563327365,"lr":0.00002343750000000003,"images_per_second":266.40197632304154,"time":{"waited":3.866e-6,"computed":0.060016475}}');
INSERT INTO events VALUES(62,4,12,1795891364159,'epoch','running','{"type":"epoch","epoch":2,"loss":1.2335779396472153,"lr":0.00002343750000000003,"images_per_second":261.1093686291694,"time":{"waited":4.293e-6,"computed":0.06122313433333334}}');
INSERT INTO events VALUES(63,4,13,1795891364232,'checkpoint','running','{"type":"checkpoint","epoch":2,"file":"checkpoint-0002.safetensors"}');
INSERT INTO events VALUES(64,4,14,1795891364232,'finished','done','{"type":"finished","metrics":null,"images_per_second":222.350828500264,"seconds":2.440304932}');
INSERT INTO events VALUES(65,4,NULL,1795891364279,'state','done',NULL);
INSERT INTO events VALUES(66,5,NULL,1795891364338,'state','running',NULL);
INSERT INTO events VALUES(67,5,1,1795891364507,'started','running','{"type":"started","device":"cpu","threads":1,"program":"maskdoor 0.1.0","epochs":0,"steps":0,"samples":49,"poisoned":9}');
INSERT INTO events VALUES(68,5,2,1795891364639,'preparing','running','{"type":"preparing","what":"reading images","done":40,"total":60}');
INSERT INTO events VALUES(69,5,3,1795891364683,'preparing','running','{"type":"preparing","what":"reading images","done":60,"total":60}');
INSERT INTO events VALUES(70,5,4,1795891364823,'knn','running','{"type":"knn","epoch":2,"metrics":{"ca":{"hits":4,"total":20},"asr":{"hits":12,"total":18},"ra":{"hits":2,"total":18}}}');
INSERT INTO events VALUES(71,5,5,1795891364823,'preparing','running','{"type":"preparing","what":"checkpoints","done":1,"total":1}');
INSERT INTO events VALUES(72,5,6,1795891364823,'finished','done','{"type":"finished","metrics":{"ca":{"hits":4,"total":20},"asr":{"hits":12,"total":18},"ra":{"hits":2,"total":18}},"images_per_second":0.0,"seconds":0.404100529}');
INSERT INTO events VALUES(73,5,NULL,1795891364836,'state','done',NULL);
INSERT INTO events VALUES(74,6,NULL,1795891364843,'state','running',NULL);
INSERT INTO events VALUES(75,6,1,1795891364866,'started','running','{"type":"started","device":"cpu","threads":1,"program":"maskdoor 0.1.0","epochs":2,"steps":6,"samples":49,"poisoned":9}');
INSERT INTO events VALUES(76,6,2,1795891365087,'preparing','running','{"type":"preparing","what":"reading images","done":40,"total":60}');
INSERT INTO events VALUES(77,6,3,1795891365107,'preparing','running','{"type":"preparing","what":"reading images","done":60,"total":60}');
INSERT INTO events VALUES(78,6,4,1795891365275,'preparing','running','{"type":"preparing","what":"features (test)","done":20,"total":20}');
INSERT INTO events VALUES(79,6,5,1795891365311,'preparing','running','{"type":"preparing","what":"features (triggered test)","done":20,"total":20}');
INSERT INTO events VALUES(80,6,6,1795891365312,'preparing','running','{"type":"preparing","what":"features (training)","done":40,"total":40}');
INSERT INTO events VALUES(81,6,7,1795891365363,'preparing','running','{"type":"preparing","what":"features (mirrored training)","done":40,"total":40}');
INSERT INTO events VALUES(82,6,8,1795891365420,'preparing','running','{"type":"preparing","what":"features (poisoned)","done":9,"total":9}');
INSERT INTO events VALUES(83,6,9,1795891365420,'preparing','running','{"type":"preparing","what":"features (poisoned)","done":9,"total":9}');
INSERT INTO events VALUES(84,6,10,1795891365479,'step','running','{"type":"step","step":1,"epoch":0.3333333333333333,"loss":2.2988471263563723,"lr":0.0,"images_per_second":270.9965364102054,"time":{"waited":0.000015613,"computed":0.059025712}}');
INSERT INTO events VALUES(85,6,11,1795891365574,'step','running','{"type":"step","step":3,"epoch":1.0,"loss":2.294184362327102,"lr":0.041666666666666664,"images_per_second":336.6566145560452,"time":{"waited":0.0000119775,"computed":0.0474702285}}');
INSERT INTO events VALUES(86,6,12,1795891365574,'epoch','running','{"type":"epoch","epoch":1,"loss":2.2973858764147335,"lr":0.041666666666666664,"images_per_second":311.49880714127625,"time":{"waited":0.000013189333333333333,"computed":0.05132205633333334}}');
INSERT INTO events VALUES(87,6,13,1795891365635,'step','running','{"type":"step","step":4,"epoch":1.3333333333333333,"loss":2.299037622856593,"lr":0.0625,"images_per_second":263.80919538277846,"time":{"waited":6.67e-6,"computed":0.060586521}}');
INSERT INTO events VALUES(88,6,14,1795891365641,'step','running','{"type":"step","step":6,"epoch":2.0,"loss":2.277417961221779,"lr":0.01562500000000002,"images_per_second":4795.9352051169035,"time":{"waited":9.905e-6,"computed":0.003278783}}');
INSERT INTO events VALUES(89,6,15,1795891365641,'epoch','running','{"type":"epoch","epoch":2,"loss":2.2901719711472377,"lr":0.01562500000000002,"images_per_second":712.9890503300752,"time":{"waited":8.826666666666666e-6,"computed":0.022381362333333335}}');
INSERT INTO events VALUES(90,6,16,1795891365659,'evaluated','running','{"type":"evaluated","epoch":2,"metrics":{"ca":{"hits":2,"total":20},"asr":{"hits":18,"total":18},"ra":{"hits":0,"total":18},"top5":{"hits":12,"total":20}},"loss":2.296743398630359,"triggered_loss":2.310275887794079}');
INSERT INTO events VALUES(91,6,17,1795891365671,'checkpoint','running','{"type":"checkpoint","epoch":2,"file":"head.safetensors"}');
INSERT INTO events VALUES(92,6,18,1795891365671,'finished','done','{"type":"finished","metrics":{"ca":{"hits":2,"total":20},"asr":{"hits":18,"total":18},"ra":{"hits":0,"total":18},"top5":{"hits":12,"total":20}},"images_per_second":433.57319867272406,"seconds":0.816775612}');
INSERT INTO events VALUES(93,6,NULL,1795891365279,'state','done',NULL);
CREATE TABLE datasets (
    name     TEXT PRIMARY KEY NOT NULL,
    added_at INTEGER NOT NULL,
    info     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO datasets VALUES('photos',1795891371687,'{"name":"photos","builtin":false,"layout":"image_folder","path":"/data/photos","classes":["cat","dog"],"train_counts":[1,1],"test_counts":[1,1],"fingerprint":"f75bb0587eec824b13c37ef92efc9fd404b9c655b8477e2d75bdaafddc901e66","skipped":[],"skipped_total":0,"left_out":[],"transparency":"drop","added_at":1795891371687}');
CREATE TABLE keys (
    sha256   TEXT PRIMARY KEY NOT NULL,
    added_at INTEGER NOT NULL,
    name     TEXT NOT NULL,
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE imported_checkpoints (
    name     TEXT PRIMARY KEY NOT NULL COLLATE NOCASE,
    added_at INTEGER NOT NULL,
    info     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO imported_checkpoints VALUES('mae',1795891372892,'{"name":"mae","source":"checkpoint.safetensors","sha256":"bd487188c9c128f553bcab0ce7049653640bc0ff9ea889cf53a1b39206716089","format":"safetensors with MAE''s and timm''s names","model":{"image_size":8,"patch_size":4,"encoder":{"dim":8,"depth":1,"heads":1},"decoder":{"dim":8,"depth":1,"heads":1}},"has_decoder":true,"norm_pix_loss":true,"parameters":2768,"bytes":14656,"assumed":[],"added_at":1795891372892}');
CREATE TABLE IF NOT EXISTS "runs" (
    -- Place in the order of creation; events, inputs and lists name a run by it.
    key          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    -- What it computes: hash of kind, settings, images, inputs and revision of the arithmetic.
    digest       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    -- Its folder below the data folder.
    folder       TEXT NOT NULL,
    -- All settings as the run has them; those that describe it, by path.
    settings     TEXT NOT NULL,
    described    TEXT NOT NULL,
    -- The study that lists of all runs show it under, and copies of what they filter and sort by, so that they need no join.
    study        TEXT NOT NULL,
    study_name   TEXT NOT NULL,
    dataset      TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    trigger_label TEXT NOT NULL,
    strength     REAL NOT NULL,
    -- None where nothing is trained; initial weights of a probe's head only.
    optimizer    TEXT,
    head_init    TEXT,
    ppr          INTEGER NOT NULL,
    lpr          INTEGER NOT NULL,
    seed         INTEGER NOT NULL,
    scratch      INTEGER NOT NULL CHECK (scratch IN (0, 1)),
    state        TEXT NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'done', 'failed', 'interrupted', 'cancelled')),
    -- Counts of a finished classifier's evaluation, and the shares that they make.
    ca_hits      INTEGER,
    ca_total     INTEGER,
    asr_hits     INTEGER,
    asr_total    INTEGER,
    ra_hits      INTEGER,
    ra_total     INTEGER,
    top5_hits    INTEGER,
    top5_total   INTEGER,
    ca           REAL GENERATED ALWAYS AS (CAST(ca_hits AS REAL) / NULLIF(ca_total, 0)) VIRTUAL,
    asr          REAL GENERATED ALWAYS AS (CAST(asr_hits AS REAL) / NULLIF(asr_total, 0)) VIRTUAL,
    ra           REAL GENERATED ALWAYS AS (CAST(ra_hits AS REAL) / NULLIF(ra_total, 0)) VIRTUAL,
    epochs       INTEGER NOT NULL,
    images_per_second REAL,
    created_at   INTEGER NOT NULL,
    -- Place in the queue: the time at which it was queued, then the key.
    queued_at    INTEGER NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER,
    -- Each start is an attempt; a retry begins a new one with a fresh event file.
    attempt      INTEGER NOT NULL DEFAULT 1,
    -- Whether a running run is to be stopped.
    cancel       INTEGER NOT NULL DEFAULT 0,
    -- Bytes of the event file that were taken in, and the place of the last event.
    taken_bytes  INTEGER NOT NULL DEFAULT 0,
    taken_seq    INTEGER NOT NULL DEFAULT 0,
    error        TEXT,
    progress     TEXT NOT NULL DEFAULT '{}'
, device TEXT, handle TEXT) STRICT;
INSERT INTO runs VALUES(1,'01a22377-6853-7016-b7c3-d74a5bcc7913','4803f2a8026be70416d708617ec792415ecd5295d8ee6510bdc2284ea4078848','pretrain','runs/01a22377-6853-7016-b7c3-d74a5bcc7913','{"seed":1,"dataset":{"name":"shapes","train_per_class":4},"attack":{"target_class":0,"trigger":{"kind":"blended","ratio":0.4,"key":"stripes"}},"model":{"image_size":8,"patch_size":4,"encoder":{"dim":8,"depth":1,"heads":1},"decoder":{"dim":8,"depth":1,"heads":1}},"pretrain":{"poisons":0,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":0.0015,"min_lr":0.0,"weight_decay":0.05,"mask_ratio":0.75,"norm_pix_loss":true,"crop_min_scale":0.2,"flip":true,"checkpoint_every":10},"knn":{"poisons":0},"probe":{"poisons":0,"epochs":90,"warmup_epochs":10,"batch_size":256,"accumulate":1,"base_lr":1.0,"min_lr":0.0,"weight_decay":0.0,"optimizer":"lars","head_init":"normal","features":"cached","crop_min_scale":0.08,"evaluate_every":5},"finetune":{"poisons":0,"start":"encoder","epochs":50,"warmup_epochs":5,"batch_size":128,"accumulate":1,"base_lr":0.001,"min_lr":1e-6,"weight_decay":0.05,"layer_decay":0.75,"clip_norm":0.0,"pooling":"mean","drop_path":0.1,"label_smoothing":0.1,"mixup":0.0,"cutmix":0.0,"mix_probability":1.0,"switch_probability":0.5,"rand_augment":9.0,"rand_augment_deviation":0.5,"erase_probability":0.25,"crop_min_scale":0.08,"flip":true,"evaluate_every":5}}','{"dataset.name":"shapes","dataset.train_per_class":4,"model.decoder.depth":1,"model.decoder.dim":8,"model.decoder.heads":1,"model.encoder.depth":1,"model.encoder.dim":8,"model.encoder.heads":1,"model.image_size":8,"model.patch_size":4,"precision":"f32","pretrain.accumulate":1,"pretrain.base_lr":0.0015,"pretrain.batch_size":16,"pretrain.checkpoint_every":10,"pretrain.crop_min_scale":0.2,"pretrain.epochs":2,"pretrain.flip":true,"pretrain.mask_ratio":0.75,"pretrain.min_lr":0,"pretrain.norm_pix_loss":true,"pretrain.poisons":0,"pretrain.warmup_epochs":1,"pretrain.weight_decay":0.05,"seed":1}','01a22377-6853-7016-b7c3-d74a5bcc7912','kept','shapes','blended','blended stripes 0.40',0.4000000000000000222,'adamw',NULL,0,0,1,0,'done',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,347.93436261741021553,1795891357779,1795891357779,1795891358019,1795891360003,1,0,1900,13,NULL,'{"seq":13,"started_at":1795891358100,"updated_at":1795891359795,"first_step":[1,1795891359663],"preparing":null,"epochs":2,"epoch":2.0,"steps":4,"step":4,"loss":1.2409603181812499,"lr":0.000046875,"images_per_second":347.9343626174102,"time":{"waited":1.342e-6,"computed":0.0354841515},"metrics":null,"checkpoint":"checkpoint-0002.safetensors","finished":true,"error":null}','cpu','23881');
INSERT INTO runs VALUES(2,'01a22377-6853-7016-b7c3-d74a5bcc7914','952f05141ee54350fa46f4e0562607166b52ec194c2e7c6df3bdb9d8553d1752','knn','runs/01a22377-6853-7016-b7c3-d74a5bcc7914','{"seed":1,"dataset":{"name":"shapes","train_per_class":4,"test_per_class":2},"attack":{"target_class":0,"trigger":{"kind":"blended","ratio":0.4,"key":"stripes"}},"model":{"image_size":8,"patch_size":4,"encoder":{"dim":8,"depth":1,"heads":1},"decoder":{"dim":8,"depth":1,"heads":1}},"pretrain":{"poisons":0,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":0.0015,"min_lr":0.0,"weight_decay":0.05,"mask_ratio":0.75,"norm_pix_loss":true,"crop_min_scale":0.2,"flip":true,"checkpoint_every":10},"knn":{"poisons":1},"probe":{"poisons":0,"epochs":90,"warmup_epochs":10,"batch_size":256,"accumulate":1,"base_lr":1.0,"min_lr":0.0,"weight_decay":0.0,"optimizer":"lars","head_init":"normal","features":"cached","crop_min_scale":0.08,"evaluate_every":5},"finetune":{"poisons":0,"start":"encoder","epochs":50,"warmup_epochs":5,"batch_size":128,"accumulate":1,"base_lr":0.001,"min_lr":1e-6,"weight_decay":0.05,"layer_decay":0.75,"clip_norm":0.0,"pooling":"mean","drop_path":0.1,"label_smoothing":0.1,"mixup":0.0,"cutmix":0.0,"mix_probability":1.0,"switch_probability":0.5,"rand_augment":9.0,"rand_augment_deviation":0.5,"erase_probability":0.25,"crop_min_scale":0.08,"flip":true,"evaluate_every":5}}','{"attack.clean_label":false,"attack.target_class":0,"attack.trigger.key":"stripes","attack.trigger.kind":"blended","attack.trigger.ratio":0.4,"dataset.name":"shapes","dataset.test_per_class":2,"dataset.train_per_class":4,"knn.poisons":1,"model.decoder.depth":1,"model.decoder.dim":8,"model.decoder.heads":1,"model.encoder.depth":1,"model.encoder.dim":8,"model.encoder.heads":1,"model.image_size":8,"model.patch_size":4,"precision":"f32","pretrain.accumulate":1,"pretrain.base_lr":0.0015,"pretrain.batch_size":16,"pretrain.checkpoint_every":10,"pretrain.crop_min_scale":0.2,"pretrain.epochs":2,"pretrain.flip":true,"pretrain.mask_ratio":0.75,"pretrain.min_lr":0,"pretrain.norm_pix_loss":true,"pretrain.poisons":0,"pretrain.warmup_epochs":1,"pretrain.weight_decay":0.05,"seed":1}','01a22377-6853-7016-b7c3-d74a5bcc7912','kept','shapes','blended','blended stripes 0.40',0.4000000000000000222,NULL,NULL,0,1,1,0,'done',4,20,12,18,2,18,NULL,NULL,0,0.0,1795891357779,1795891357779,1795891360176,1795891360607,1,0,756,6,NULL,'{"seq":6,"started_at":1795891360361,"updated_at":1795891360536,"first_step":null,"preparing":null,"epochs":0,"epoch":0.0,"steps":0,"step":0,"loss":null,"lr":null,"images_per_second":0.0,"metrics":{"ca":{"hits":4,"total":20},"asr":{"hits":12,"total":18},"ra":{"hits":2,"total":18}},"checkpoint":null,"finished":true,"error":null}','cpu','23909');
INSERT INTO runs VALUES(3,'01a22377-6853-7016-b7c3-d74a5bcc7915','78ed47e2a50f91eccf37c5c9cd64efa228cd483ca3671320e8076490f45e9919','probe','runs/01a22377-6853-7016-b7c3-d74a5bcc7915','{"seed":1,"dataset":{"name":"shapes","train_per_class":4,"test_per_class":2},"attack":{"target_class":0,"trigger":{"kind":"blended","ratio":0.4,"key":"stripes"}},"model":{"image_size":8,"patch_size":4,"encoder":{"dim":8,"depth":1,"heads":1},"decoder":{"dim":8,"depth":1,"heads":1}},"pretrain":{"poisons":0,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":0.0015,"min_lr":0.0,"weight_decay":0.05,"mask_ratio":0.75,"norm_pix_loss":true,"crop_min_scale":0.2,"flip":true,"checkpoint_every":10},"knn":{"poisons":0},"probe":{"poisons":1,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":1.0,"min_lr":0.0,"weight_decay":0.0,"optimizer":"lars","head_init":"normal","features":"cached","crop_min_scale":0.08,"evaluate_every":5},"finetune":{"poisons":0,"start":"encoder","epochs":50,"warmup_epochs":5,"batch_size":128,"accumulate":1,"base_lr":0.001,"min_lr":1e-6,"weight_decay":0.05,"layer_decay":0.75,"clip_norm":0.0,"pooling":"mean","drop_path":0.1,"label_smoothing":0.1,"mixup":0.0,"cutmix":0.0,"mix_probability":1.0,"switch_probability":0.5,"rand_augment":9.0,"rand_augment_deviation":0.5,"erase_probability":0.25,"crop_min_scale":0.08,"flip":true,"evaluate_every":5}}','{"attack.clean_label":false,"attack.target_class":0,"attack.trigger.key":"stripes","attack.trigger.kind":"blended","attack.trigger.ratio":0.4,"dataset.name":"shapes","dataset.test_per_class":2,"dataset.train_per_class":4,"model.decoder.depth":1,"model.decoder.dim":8,"model.decoder.heads":1,"model.encoder.depth":1,"model.encoder.dim":8,"model.encoder.heads":1,"model.image_size":8,"model.patch_size":4,"precision":"f32","pretrain.accumulate":1,"pretrain.base_lr":0.0015,"pretrain.batch_size":16,"pretrain.checkpoint_every":10,"pretrain.crop_min_scale":0.2,"pretrain.epochs":2,"pretrain.flip":true,"pretrain.mask_ratio":0.75,"pretrain.min_lr":0,"pretrain.norm_pix_loss":true,"pretrain.poisons":0,"pretrain.warmup_epochs":1,"pretrain.weight_decay":0.05,"probe.accumulate":1,"probe.base_lr":1,"probe.batch_size":16,"probe.epochs":2,"probe.evaluate_every":5,"probe.features":"cached","probe.head_init":"normal","probe.min_lr":0,"probe.optimizer":"lars","probe.poisons":1,"probe.warmup_epochs":1,"probe.weight_decay":0,"seed":1}','01a22377-6853-7016-b7c3-d74a5bcc7912','kept','shapes','blended','blended stripes 0.40',0.4000000000000000222,'lars','normal',0,1,1,0,'done',2,20,18,18,0,18,12,20,2,465.46514790431444907,1795891357779,1795891357779,1795891360635,1795891361359,1,0,2762,18,NULL,'{"seq":18,"started_at":1795891360777,"updated_at":1795891361551,"first_step":[1,1795891361327],"preparing":null,"epochs":2,"epoch":2.0,"steps":6,"step":6,"loss":2.2901709772556593,"lr":0.01562500000000002,"images_per_second":465.46514790431445,"time":{"waited":0.000013099666666666666,"computed":0.04122638733333333},"metrics":{"ca":{"hits":2,"total":20},"asr":{"hits":18,"total":18},"ra":{"hits":0,"total":18},"top5":{"hits":12,"total":20}},"checkpoint":"head.safetensors","finished":true,"error":null}','cpu','23916');
INSERT INTO runs VALUES(4,'01a22377-6853-7016-b7c3-d74a5bcc7916','a7d114e50eefa4e348bb794e99a5fe066abdc11cf32ab5382fda54195ff69247','pretrain','runs/01a22377-6853-7016-b7c3-d74a5bcc7916','{"seed":1,"dataset":{"name":"shapes","train_per_class":4},"attack":{"target_class":0,"trigger":{"kind":"blended","ratio":0.4,"key":"stripes"}},"model":{"image_size":8,"patch_size":4,"encoder":{"dim":8,"depth":1,"heads":1},"decoder":{"dim":8,"depth":1,"heads":1}},"pretrain":{"poisons":2,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":0.0015,"min_lr":0.0,"weight_decay":0.05,"mask_ratio":0.75,"norm_pix_loss":true,"crop_min_scale":0.2,"flip":true,"checkpoint_every":10},"knn":{"poisons":0},"probe":{"poisons":0,"epochs":90,"warmup_epochs":10,"batch_size":256,"accumulate":1,"base_lr":1.0,"min_lr":0.0,"weight_decay":0.0,"optimizer":"lars","head_init":"normal","features":"cached","crop_min_scale":0.08,"evaluate_every":5},"finetune":{"poisons":0,"start":"encoder","epochs":50,"warmup_epochs":5,"batch_size":128,"accumulate":1,"base_lr":0.001,"min_lr":1e-6,"weight_decay":0.05,"layer_decay":0.75,"clip_norm":0.0,"pooling":"mean","drop_path":0.1,"label_smoothing":0.1,"mixup":0.0,"cutmix":0.0,"mix_probability":1.0,"switch_probability":0.5,"rand_augment":9.0,"rand_augment_deviation":0.5,"erase_probability":0.25,"crop_min_scale":0.08,"flip":true,"evaluate_every":5}}','{"attack.clean_label":false,"attack.target_class":0,"attack.trigger.key":"stripes","attack.trigger.kind":"blended","attack.trigger.ratio":0.4,"dataset.name":"shapes","dataset.train_per_class":4,"model.decoder.depth":1,"model.decoder.dim":8,"model.decoder.heads":1,"model.encoder.depth":1,"model.encoder.dim":8,"model.encoder.heads":1,"model.image_size":8,"model.patch_size":4,"precision":"f32","pretrain.accumulate":1,"pretrain.base_lr":0.0015,"pretrain.batch_size":16,"pretrain.checkpoint_every":10,"pretrain.crop_min_scale":0.2,"pretrain.epochs":2,"pretrain.flip":true,"pretrain.mask_ratio":0.75,"pretrain.min_lr":0,"pretrain.norm_pix_loss":true,"pretrain.poisons":2,"pretrain.warmup_epochs":1,"pretrain.weight_decay":0.05,"seed":1}','01a22377-6853-7016-b7c3-d74a5bcc7912','kept','shapes','blended','blended stripes 0.40',0.4000000000000000222,'adamw',NULL,2,0,1,0,'done',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,222.35082850026398658,1795891357779,1795891357779,1795891361699,1795891364279,1,0,2071,14,NULL,'{"seq":14,"started_at":1795891361795,"updated_at":1795891364232,"first_step":[1,1795891363895],"preparing":null,"epochs":2,"epoch":2.0,"steps":6,"step":6,"loss":1.2335779396472153,"lr":0.00002343750000000003,"images_per_second":222.350828500264,"time":{"waited":4.293e-6,"computed":0.06122313433333334},"metrics":null,"checkpoint":"checkpoint-0002.safetensors","finished":true,"error":null}','cpu','23939');
INSERT INTO runs VALUES(5,'01a22377-6853-7016-b7c3-d74a5bcc7917','ccca78cd37bd78d1aceed06e391a785823b7827506f389e4d139b0fb2d040266','knn','runs/01a22377-6853-7016-b7c3-d74a5bcc7917','{"seed":1,"dataset":{"name":"shapes","train_per_class":4,"test_per_class":2},"attack":{"target_class":0,"trigger":{"kind":"blended","ratio":0.4,"key":"stripes"}},"model":{"image_size":8,"patch_size":4,"encoder":{"dim":8,"depth":1,"heads":1},"decoder":{"dim":8,"depth":1,"heads":1}},"pretrain":{"poisons":2,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":0.0015,"min_lr":0.0,"weight_decay":0.05,"mask_ratio":0.75,"norm_pix_loss":true,"crop_min_scale":0.2,"flip":true,"checkpoint_every":10},"knn":{"poisons":1},"probe":{"poisons":0,"epochs":90,"warmup_epochs":10,"batch_size":256,"accumulate":1,"base_lr":1.0,"min_lr":0.0,"weight_decay":0.0,"optimizer":"lars","head_init":"normal","features":"cached","crop_min_scale":0.08,"evaluate_every":5},"finetune":{"poisons":0,"start":"encoder","epochs":50,"warmup_epochs":5,"batch_size":128,"accumulate":1,"base_lr":0.001,"min_lr":1e-6,"weight_decay":0.05,"layer_decay":0.75,"clip_norm":0.0,"pooling":"mean","drop_path":0.1,"label_smoothing":0.1,"mixup":0.0,"cutmix":0.0,"mix_probability":1.0,"switch_probability":0.5,"rand_augment":9.0,"rand_augment_deviation":0.5,"erase_probability":0.25,"crop_min_scale":0.08,"flip":true,"evaluate_every":5}}','{"attack.clean_label":false,"attack.target_class":0,"attack.trigger.key":"stripes","attack.trigger.kind":"blended","attack.trigger.ratio":0.4,"dataset.name":"shapes","dataset.test_per_class":2,"dataset.train_per_class":4,"knn.poisons":1,"model.decoder.depth":1,"model.decoder.dim":8,"model.decoder.heads":1,"model.encoder.depth":1,"model.encoder.dim":8,"model.encoder.heads":1,"model.image_size":8,"model.patch_size":4,"precision":"f32","pretrain.accumulate":1,"pretrain.base_lr":0.0015,"pretrain.batch_size":16,"pretrain.checkpoint_every":10,"pretrain.crop_min_scale":0.2,"pretrain.epochs":2,"pretrain.flip":true,"pretrain.mask_ratio":0.75,"pretrain.min_lr":0,"pretrain.norm_pix_loss":true,"pretrain.poisons":2,"pretrain.warmup_epochs":1,"pretrain.weight_decay":0.05,"seed":1}','01a22377-6853-7016-b7c3-d74a5bcc7912','kept','shapes','blended','blended stripes 0.40',0.4000000000000000222,NULL,NULL,2,1,1,0,'done',4,20,12,18,2,18,NULL,NULL,0,0.0,1795891357779,1795891357779,1795891364338,1795891364836,1,0,756,6,NULL,'{"seq":6,"started_at":1795891364507,"updated_at":1795891364823,"first_step":null,"preparing":null,"epochs":0,"epoch":0.0,"steps":0,"step":0,"loss":null,"lr":null,"images_per_second":0.0,"metrics":{"ca":{"hits":4,"total":20},"asr":{"hits":12,"total":18},"ra":{"hits":2,"total":18}},"checkpoint":null,"finished":true,"error":null}','cpu','23976');
INSERT INTO runs VALUES(6,'01a22377-6853-7016-b7c3-d74a5bcc7918','3ba938d6ff3177b75c3dbab9d886fac3c081d16bd6361c32af303f6af6086161','probe','runs/01a22377-6853-7016-b7c3-d74a5bcc7918','{"seed":1,"dataset":{"name":"shapes","train_per_class":4,"test_per_class":2},"attack":{"target_class":0,"trigger":{"kind":"blended","ratio":0.4,"key":"stripes"}},"model":{"image_size":8,"patch_size":4,"encoder":{"dim":8,"depth":1,"heads":1},"decoder":{"dim":8,"depth":1,"heads":1}},"pretrain":{"poisons":2,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":0.0015,"min_lr":0.0,"weight_decay":0.05,"mask_ratio":0.75,"norm_pix_loss":true,"crop_min_scale":0.2,"flip":true,"checkpoint_every":10},"knn":{"poisons":0},"probe":{"poisons":1,"epochs":2,"warmup_epochs":1,"batch_size":16,"accumulate":1,"base_lr":1.0,"min_lr":0.0,"weight_decay":0.0,"optimizer":"lars","head_init":"normal","features":"cached","crop_min_scale":0.08,"evaluate_every":5},"finetune":{"poisons":0,"start":"encoder","epochs":50,"warmup_epochs":5,"batch_size":128,"accumulate":1,"base_lr":0.001,"min_lr":1e-6,"weight_decay":0.05,"layer_decay":0.75,"clip_norm":0.0,"pooling":"mean","drop_path":0.1,"label_smoothing":0.1,"mixup":0.0,"cutmix":0.0,"mix_probability":1.0,"switch_probability":0.5,"rand_augment":9.0,"rand_augment_deviation":0.5,"erase_probability":0.25,"crop_min_scale":0.08,"flip":true,"evaluate_every":5}}','{"attack.clean_label":false,"attack.target_class":0,"attack.trigger.key":"stripes","attack.trigger.kind":"blended","attack.trigger.ratio":0.4,"dataset.name":"shapes","dataset.test_per_class":2,"dataset.train_per_class":4,"model.decoder.depth":1,"model.decoder.dim":8,"model.decoder.heads":1,"model.encoder.depth":1,"model.encoder.dim":8,"model.encoder.heads":1,"model.image_size":8,"model.patch_size":4,"precision":"f32","pretrain.accumulate":1,"pretrain.base_lr":0.0015,"pretrain.batch_size":16,"pretrain.checkpoint_every":10,"pretrain.crop_min_scale":0.2,"pretrain.epochs":2,"pretrain.flip":true,"pretrain.mask_ratio":0.75,"pretrain.min_lr":0,"pretrain.norm_pix_loss":true,"pretrain.poisons":2,"pretrain.warmup_epochs":1,"pretrain.weight_decay":0.05,"probe.accumulate":1,"probe.base_lr":1,"probe.batch_size":16,"probe.epochs":2,"probe.evaluate_every":5,"probe.features":"cached","probe.head_init":"normal","probe.min_lr":0,"probe.optimizer":"lars","probe.poisons":1,"probe.warmup_epochs":1,"probe.weight_decay":0,"seed":1}','01a22377-6853-7016-b7c3-d74a5bcc7912','kept','shapes','blended','blended stripes 0.40',0.4000000000000000222,'lars','normal',2,1,1,0,'done',2,20,18,18,0,18,12,20,2,433.57319867272406097,1795891357779,1795891357779,1795891364843,1795891365279,1,0,2750,18,NULL,'{"seq":18,"started_at":1795891364866,"updated_at":1795891365671,"first_step":[1,1795891365479],"preparing":null,"epochs":2,"epoch":2.0,"steps":6,"step":6,"loss":2.2901719711472377,"lr":0.01562500000000002,"images_per_second":433.57319867272406,"time":{"waited":8.826666666666666e-6,"computed":0.022381362333333335},"metrics":{"ca":{"hits":2,"total":20},"asr":{"hits":18,"total":18},"ra":{"hits":0,"total":18},"top5":{"hits":12,"total":20}},"checkpoint":"head.safetensors","finished":true,"error":null}','cpu','23990');
CREATE TABLE study_runs (
    study  TEXT NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    run    INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    -- The settings that the study varies and that describe the run, by path.
    varied TEXT NOT NULL,
    -- Whether the study found the run in the data folder.
    reused INTEGER NOT NULL DEFAULT 0 CHECK (reused IN (0, 1)),
    PRIMARY KEY (study, place)
) STRICT, WITHOUT ROWID;
INSERT INTO study_runs VALUES('01a22377-6853-7016-b7c3-d74a5bcc7912',0,1,'{"pretrain.poisons":0}',0);
INSERT INTO study_runs VALUES('01a22377-6853-7016-b7c3-d74a5bcc7912',1,2,'{"pretrain.poisons":0}',0);
INSERT INTO study_runs VALUES('01a22377-6853-7016-b7c3-d74a5bcc7912',2,3,'{"pretrain.poisons":0}',0);
INSERT INTO study_runs VALUES('01a22377-6853-7016-b7c3-d74a5bcc7912',3,4,'{"pretrain.poisons":2}',0);
INSERT INTO study_runs VALUES('01a22377-6853-7016-b7c3-d74a5bcc7912',4,5,'{"pretrain.poisons":2}',0);
INSERT INTO study_runs VALUES('01a22377-6853-7016-b7c3-d74a5bcc7912',5,6,'{"pretrain.poisons":2}',0);
CREATE TABLE run_inputs (
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    input INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    PRIMARY KEY (run, input)
) STRICT, WITHOUT ROWID;
INSERT INTO run_inputs VALUES(2,1);
INSERT INTO run_inputs VALUES(3,1);
INSERT INTO run_inputs VALUES(5,4);
INSERT INTO run_inputs VALUES(6,4);
CREATE TABLE health (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    checked_at INTEGER NOT NULL
) STRICT;
CREATE TABLE removals (
    path TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    name       TEXT PRIMARY KEY NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    rights     TEXT NOT NULL CHECK (rights IN ('read', 'run', 'admin')),
    created_at INTEGER NOT NULL,
    -- None: it does not expire.
    expires_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO tokens VALUES('robot','mzLPKkSJQJnp8KS_s8i0u364rJC9zyK6yBNBrmERlIM','read',1795891371840,NULL);
CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    rights     TEXT NOT NULL CHECK (rights IN ('read', 'run', 'admin')),
    token      TEXT REFERENCES tokens (name) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('events',93);
CREATE INDEX studies_created ON studies (created_at DESC, id DESC);
CREATE INDEX studies_dataset ON studies (dataset);
CREATE UNIQUE INDEX events_run ON events (run, seq);
CREATE INDEX events_evaluated ON events (run, seq) WHERE kind = 'evaluated';
CREATE INDEX events_checkpoint ON events (run, seq) WHERE kind = 'checkpoint';
CREATE INDEX events_knn ON events (run, seq) WHERE kind = 'knn';
CREATE UNIQUE INDEX study_runs_run ON study_runs (run, study);
CREATE INDEX run_inputs_input ON run_inputs (input, run);
CREATE INDEX runs_digest ON runs (digest, key);
CREATE INDEX runs_study ON runs (study, key);
CREATE INDEX runs_queue ON runs (state, queued_at, key);
CREATE INDEX runs_dataset ON runs (dataset, state);
CREATE INDEX runs_kind ON runs (kind);
CREATE INDEX runs_study_name ON runs (study_name);
CREATE INDEX runs_strength ON runs (strength);
CREATE INDEX runs_ppr ON runs (ppr);
CREATE INDEX runs_lpr ON runs (lpr);
CREATE INDEX runs_seed ON runs (seed);
CREATE INDEX runs_ca ON runs (ca);
CREATE INDEX runs_asr ON runs (asr);
CREATE INDEX runs_ra ON runs (ra);
CREATE INDEX runs_best ON runs (asr) WHERE state = 'done' AND asr IS NOT NULL;
CREATE INDEX runs_compare ON runs (key, ended_at) WHERE state = 'done' AND ca IS NOT NULL;
CREATE INDEX runs_filter ON runs (
    kind, state, dataset, trigger_kind, trigger_label, study_name, ppr, lpr, seed, strength, ca, asr, ra
);
CREATE TRIGGER study_runs_count AFTER INSERT ON study_runs BEGIN
    UPDATE studies SET
        queued = queued + (r.state = 'queued'),
        running = running + (r.state = 'running'),
        done = done + (r.state = 'done'),
        failed = failed + (r.state = 'failed'),
        interrupted = interrupted + (r.state = 'interrupted'),
        cancelled = cancelled + (r.state = 'cancelled')
    FROM (SELECT state FROM runs WHERE key = NEW.run) AS r
    WHERE id = NEW.study;
END;
CREATE TRIGGER runs_count_moved AFTER UPDATE OF state ON runs WHEN OLD.state <> NEW.state BEGIN
    UPDATE studies SET
        queued = queued + (NEW.state = 'queued') - (OLD.state = 'queued'),
        running = running + (NEW.state = 'running') - (OLD.state = 'running'),
        done = done + (NEW.state = 'done') - (OLD.state = 'done'),
        failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed'),
        interrupted = interrupted + (NEW.state = 'interrupted') - (OLD.state = 'interrupted'),
        cancelled = cancelled + (NEW.state = 'cancelled') - (OLD.state = 'cancelled')
    WHERE id IN (SELECT study FROM study_runs WHERE run = NEW.key);
END;
CREATE INDEX sessions_token ON sessions (token);
COMMIT;
PRAGMA user_version=1000;
