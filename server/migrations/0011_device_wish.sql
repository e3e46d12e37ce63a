-- The device that a run asks for: auto, cpu, cuda:N, or a number of GPUs.

ALTER TABLE runs ADD COLUMN wish TEXT NOT NULL DEFAULT 'auto';
