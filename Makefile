# make demo: judge the examples.  make test: every test that fits continuous integration.
# make test-long: also twenty random kills, long fuzzing of readers, a hundred thousand files, soaks; hours, fewer
# with make -j2 test-long, which asks a server for an hour meanwhile.
# make test TORCH=torch==VERSION takes a given torch (a CPU build, say) instead of the newest.
SHELL := /bin/bash
PYTHON ?= python3
TORCH ?= torch
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 120

DATA ?= ../shared/data
PHOTOS = $(addprefix $(DATA)/photos/,wild.parquet wild2.parquet dev-wild.parquet train.parquet)

.PHONY: demo test test-long long-tests serve-soak lint pins fuzz results clean

demo: .venv-demo/bin/fauxto
	.venv-demo/bin/fauxto scan examples/; code=$$?; test $$code -le 1   # 1 says that some declare to be made by AI

.venv-demo/bin/fauxto: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet .

test: .venv-test/.installed
	.venv-test/bin/python -m pytest $(PYTEST_ARGS)

test-long: long-tests serve-soak
	{ date -u +%F; git describe --always --dirty --exclude='*'; tail -n 40 runs/test-long.txt; } >results/test-long.txt
	tail -n 1 runs/soak.txt runs/serve-soak.txt >>results/test-long.txt

long-tests: .venv-test/.installed
	mkdir -p runs
	set -o pipefail; .venv-test/bin/python -m pytest -m "long or not long" --durations=20 --no-header $(PYTEST_ARGS) \
	  | tee runs/test-long.txt
	set -o pipefail; .venv-test/bin/python benchmarks/soak.py --output results/soak.json 2>/dev/null | tee runs/soak.txt

serve-soak: .venv-test/.installed
	mkdir -p runs
	set -o pipefail; .venv-test/bin/python benchmarks/serve_soak.py --output results/serve-soak.json | tee runs/serve-soak.txt

lint: .venv-test/.installed
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy

.venv-test/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/pip install --quiet "$(TORCH)"
	.venv-test/bin/pip install --quiet "$(TORCH)" --editable ".[dev]"   # named again: torchvision must fit it
	touch $@

# The hashes of the shipped bundles, which the loader checks: write them anew after changing one.
pins:
	cd src/fauxto/models && LC_ALL=C sha256sum */*.json */*.md */model.onnx >SHA256SUMS

# Two minutes of fuzzing; make fuzz FUZZ_SECONDS=3600 for longer.
fuzz: .venv-test/.installed
	.venv-test/bin/python fuzz/run.py --seconds $(FUZZ_SECONDS)

# Measures every figure of README and cards again; DATA is a folder with cifake/, faces/ and photos/*.parquet.
results: .venv-test/.installed
	.venv-test/bin/fauxto evaluate $(DATA)/cifake/test.parquet --model thumb --output runs/results/thumb
	cp runs/results/thumb/metrics.json results/thumb.json
	.venv-test/bin/fauxto evaluate $(DATA)/cifake/test.parquet --model thumb --robustness --limit 600 \
	  --output runs/results/thumb-ladder
	cp runs/results/thumb-ladder/metrics.json results/thumb-ladder.json
	.venv-test/bin/python benchmarks/false_accusations.py --photographs $(DATA)/photos/*.parquet \
	  --output results/false-accusations.json
	.venv-test/bin/python benchmarks/adapt.py --data $(DATA)/photos/wild.parquet $(DATA)/photos/wild2.parquet \
	  --output results/adapt.csv
	.venv-test/bin/python benchmarks/int8.py --data $(DATA)/cifake/train.parquet --output results/int8.json
	.venv-test/bin/fauxto data check $(DATA)/photos/wild.parquet --format json >results/photo-data.json
	.venv-test/bin/python benchmarks/startup.py --output results/startup.json
	.venv-test/bin/python benchmarks/throughput.py --data $(DATA)/cifake/test.parquet --output results/throughput.json
	.venv-test/bin/python benchmarks/stages.py --data $(DATA)/cifake/test.parquet --output results/stages.json
	.venv-test/bin/python benchmarks/draft.py --data $(DATA)/photos/wild.parquet --output results/draft.json
	.venv-test/bin/python benchmarks/large_pictures.py --output results/large-pictures.json
	.venv-test/bin/python benchmarks/memory.py --output results/memory.json
	.venv-test/bin/python benchmarks/scaling.py --output results/scaling.json
	.venv-test/bin/python benchmarks/peers/measure.py --model photo --output results/peers.json
	.venv-test/bin/python benchmarks/load.py --output results/load.json
	.venv-test/bin/python benchmarks/provenance.py --output results/provenance.json
	.venv-test/bin/python benchmarks/processors.py --output results/processors.json
	.venv-test/bin/fauxto evaluate $(DATA)/faces/test.parquet --model face --output runs/results/face
	cp runs/results/face/metrics.json results/face.json
	.venv-test/bin/fauxto evaluate $(DATA)/faces/test.parquet --model face --robustness --limit 200 --bootstrap 200 \
	  --output runs/results/face-ladder
	cp runs/results/face-ladder/metrics.json results/face-ladder.json
	.venv-test/bin/python benchmarks/face_sources.py --data $(DATA)/photos/train.parquet --output results/face-sources.json
	.venv-test/bin/python benchmarks/face_crop.py --data $(DATA)/faces/train.parquet --output results/face-crop.json
	.venv-test/bin/python benchmarks/faces_in_pictures.py --data $(DATA)/faces/test.parquet \
	  --output results/faces-in-pictures.json
	.venv-test/bin/python benchmarks/reference.py --data $(DATA) --output results/reference.json
	.venv-test/bin/python benchmarks/isolation.py --output results/isolation.json
	@test -n "$(CLIP)" || echo "results/photo-ablation.csv stays as it is: give CLIP=FILE, the image tower's weights"
	test -z "$(CLIP)" || .venv-test/bin/python benchmarks/photo_ablation.py $(addprefix --data ,$(PHOTOS)) \
	  --weights $(CLIP) --work runs/photo-ablation --output results/photo-ablation.csv
	test -z "$(CLIP)" || .venv-test/bin/python benchmarks/photo_tried.py $(addprefix --data ,$(PHOTOS)) \
	  --weights $(CLIP) --work runs/photo-ablation   # results/photo-tried.csv; rows that are there stay
	.venv-test/bin/python benchmarks/thumb_ablation.py --data $(DATA)/cifake/train.parquet --images 20000 \
	  --epochs 3   # results/thumb-ablation.csv; rows that are there stay
	test -z "$(RUN)" || cp $(RUN)/metrics.csv results/thumb-log.csv   # of recipes/thumb.yaml, where it was trained
	.venv-test/bin/python -m fauxto.train.nonphotos --only-test --count 300 --seed 1 \
	  --photographs $(DATA)/faces/test.parquet --output runs/nonphotos-test.parquet
	.venv-test/bin/python benchmarks/photo_gate.py --others runs/nonphotos-test.parquet --output results/photo-gate.json
	cp src/fauxto/models/photo/metrics.json results/photo.json   # measured on held-out origins while training
	.venv-test/bin/fauxto scan examples/ >results/demo.txt; test $$? -le 1
	.venv-test/bin/python benchmarks/figures.py
	$(MAKE) pins   # of cards whose figures have changed

clean:
	rm -rf .venv-demo .venv-test dist build
