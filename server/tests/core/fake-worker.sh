#!/bin/sh
# Stands in for the program's worker: called as `fake-worker.sh worker --locked FOLDER`, it does what worker.sh in the data
# folder says. Standard input holds the run's lock.
folder=$3
echo $$ > "$folder/worker.lock"
. "$folder/../../worker.sh"
