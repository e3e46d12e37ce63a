#!/bin/sh
# Stands in for the program's worker: called as `fake-worker.sh worker --locked FOLDER`, it runs worker.sh from the data folder.
# Standard input holds the run's lock.
folder=$3
echo $$ > "$folder/worker.lock"
. "$folder/../../worker.sh"
