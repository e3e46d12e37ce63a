-- What a run needs of another one: to start from it, or its autoencoder to restore what a defence hides.
ALTER TABLE run_inputs ADD COLUMN role TEXT NOT NULL DEFAULT 'start' CHECK (role IN ('start', 'restorer'));
ALTER TABLE deleted_run_inputs ADD COLUMN role TEXT NOT NULL DEFAULT 'start';
-- Whether a run repairs a fine-tuned classifier. Such runs are named by the poisons of the classifier.
ALTER TABLE runs ADD COLUMN repairs INTEGER NOT NULL DEFAULT 0 CHECK (repairs IN (0, 1));
ALTER TABLE deleted_runs ADD COLUMN repairs INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET repairs = 1, lpr = coalesce(settings ->> '$.finetune.poisons', 0)
    WHERE kind = 'defence' AND settings ->> '$.defence.method' IN ('fine_tuning', 'fine_pruning', 'nad');
UPDATE deleted_runs SET repairs = 1, lpr = coalesce(settings ->> '$.finetune.poisons', 0)
    WHERE kind = 'defence' AND settings ->> '$.defence.method' IN ('fine_tuning', 'fine_pruning', 'nad');
