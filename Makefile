# Where should a Flask app keep its state?  `make` alone shows what there is to do.

VARIANTS := plain_global flask_g locked_global sqlite_row redis_key
GALLERY := $(filter-out __init__ models,$(basename $(notdir $(wildcard variants/gallery/*.py))))
GALLERY_TESTS := variants/tests/test_gallery.py loadtest/tests/test_gallery.py \
    loadtest/tests/server/test_postgres_server.py
PYTHON ?= python3
PY := .venv/bin/python
# what is typed reaches the programs through the environment as it was typed: no shell reads it
# there, and make expands no $ in it
$(foreach name,$(.VARIABLES),$(if $(filter command line,$(origin $(name))), \
    $(eval override $(name) := $$(value $(name)))$(eval export $(name))))

.PHONY: help check faults soak serve-app locust-app $(VARIANTS) gallery $(GALLERY) diff judge report notebooks test test-apps test-notebooks test-gallery nightly deaths lint audit findings bench pictures setup lock clean

help: ## this menu
	@echo 'Where should a Flask app keep its state?'; echo
	@grep -hE '^[^ ]+:.* ## ' $(MAKEFILE_LIST) | sed -e 's/$$(VARIANTS):/<variant>:/' \
	    -e 's/-%:/-<variant>:/' -e 's/:.* ## /\t/' | awk -F '\t' '{ printf "  make %-18s %s\n", $$1, $$2 }'
	@echo; echo '  <variant>  $(VARIANTS)'
	@echo '  your app   make check APP=shop:app INCREMENT="POST /hits" READ="GET /hits"'
	@echo '  settings   WORKERS=4 THREADS=8 USERS=16 DURATION=0.5 PAUSE_MS=1 PORT=8000'

check: .venv/run ## all variants, four topologies (VARIANT=my_module)
	@$(PY) -m loadtest check $${VARIANT:+"$$VARIANT"}

faults: .venv/run ## what survives: all variants under every fault
	@$(PY) -m loadtest faults $${VARIANT:+"$$VARIANT"}

$(VARIANTS): .venv/run ## that variant alone
	@$(PY) -m loadtest check $@

gallery: .venv/gallery ## what people really write: 34 idioms (EVERY=1: all)
	@$(PY) -m loadtest gallery $(if $(EVERY),--every) $(if $(README),--readme)

$(GALLERY): .venv/gallery
	@$(PY) -m loadtest check $@

serve-app: .venv/run
	@$(PY) -m loadtest serve

locust-app: .venv/run
	@$(PY) -m loadtest locust

serve-%: export NAME = $*
serve-%: .venv/run ## serve it on 127.0.0.1 and try it with curl
	@$(PY) -m loadtest serve "$$NAME"

locust-%: export NAME = $*
locust-%: .venv/run ## serve it and open locust's web UI against it
	@$(PY) -m loadtest locust "$$NAME"

A ?= plain_global
B ?= locked_global
export A := $(value A)
export B := $(value B)
diff: ## two variants side by side: A=… B=…
	@for variant in "$$A" "$$B"; do test -f "variants/$$variant.py" -o -f "variants/gallery/$$variant.py" || \
	    { echo "error: unknown variant '$$variant'; variants: $(VARIANTS) $(GALLERY)"; exit 2; }; done
	@diff --side-by-side --ignore-all-space --width=80 \
	    $(wildcard variants/$(A).py variants/gallery/$(A).py) \
	    $(wildcard variants/$(B).py variants/gallery/$(B).py) || test $$? = 1

judge: .venv/run ## judge histories recorded anywhere: FILE=my.jsonl
	@$(PY) -m loadtest judge $${FILE:+"$$FILE"}

report: .venv/run ## open the page that the last check wrote
	@$(PY) -m loadtest report

notebooks: .venv/notebooks .venv/gallery ## the course: six walkthroughs in Jupyter
	@$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/1-where-did-my-updates-go.ipynb \
	    $(if $(filter 0,$(shell id -u)),--allow-root)

test: .venv/dev ## tests on real servers; those of the next three apart
	@$(PY) -m pytest --numprocesses 3 --dist worksteal $(GALLERY_TESTS:%=--ignore %)

test-notebooks: .venv/dev .venv/gallery ## every notebook as a reader runs it
	@$(PY) -m pytest notebooks/tests --numprocesses 2 --dist worksteal

test-apps: .venv/dev ## published packages, judged as they are
	@REAL_APPS=yes $(PY) -m pytest loadtest/tests/test_real_apps.py

test-gallery: .venv/dev .venv/gallery ## every idiom, and the PostgreSQL that some need
	@$(PY) -m pytest $(GALLERY_TESTS)

nightly: .venv/dev ## 100,000 histories and 10,000 odd requests (SEED=1)
	@cd loadtest/tests/checker && HISTORIES=100000 SEED="$${SEED:-$$(date +%s)}" \
	    ../../../$(PY) -m pytest --verbose --numprocesses 3 --timeout 0 \
	    test_agreement.py test_truth.py test_witness.py test_worlds.py
	@REQUESTS=10000 $(PY) -m pytest variants/tests/test_requests.py --numprocesses 3 \
	    --hypothesis-seed "$${SEED:-$$(date +%s)}"

soak: .venv/run ## matrix and faults, 20 times (ROUNDS=100 BUSY=2)
	@$(PY) -m loadtest soak

deaths: .venv/dev ## ends commands 100 times: is anything left? (TIMES=8)
	@$(PY) -m loadtest.tests.deaths "$${TIMES:-100}"

lint: .venv/dev ## style and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

audit: .venv/dev ## known weaknesses of what is locked, as OSV has them
	@$(PY) -c 'import requests; requests.get("https://api.osv.dev", timeout=10)' 2>/dev/null || \
	    { echo 'not audited: OSV, which has the advisories, cannot be reached'; exit 2; }
	@$(PY) -m uv --quiet tool run pip-audit==2.10.1 --vulnerability-service osv --disable-pip \
	    --require-hashes --progress-spinner off \
	    $(addprefix --requirement ,$(wildcard requirements*.txt) loadtest/server/requirements.txt)

findings: ## surprises of other software: which still hold?
	@status=0; for script in findings/*.sh; do \
	    if out=$$(PYTHON="$(PYTHON)" bash "$$script" 2>&1); then echo "holds    $$script"; \
	    else echo "changed  $$script"; echo "$$out" | sed 's/^/    /'; status=1; fi; done; exit $$status

bench: .venv/dev ## how fast, as ratios taken side by side in one run
	@$(PY) -m loadtest.bench

pictures: .venv/run ## make the README's pictures and tables anew
	@$(PY) -m loadtest check --pictures loadtest/pictures

setup: .venv/run ## build .venv (the others do so when needed)

clean: ## remove .venv, results and caches
	rm -rf .venv .venv-* results .hypothesis .mypy_cache .pytest_cache .ruff_cache state state.sqlite3*
	find . -name __pycache__ -prune -exec rm -rf {} +

lock: .venv/dev ## lock the newest releases that pyproject.toml allows
	@lock() { $(PY) -m uv --quiet pip compile pyproject.toml --upgrade --universal --generate-hashes \
	    --no-annotate --no-header --python-version 3.11 "$$@"; }; \
	lock --output-file requirements.txt && \
	lock --group notebooks --constraint requirements.txt --output-file requirements-notebooks.txt && \
	lock --group dev --constraint requirements-notebooks.txt --output-file requirements-dev.txt && \
	lock --group gallery --constraint requirements-dev.txt --output-file requirements-gallery.txt && \
	$(PY) -m uv --quiet pip compile --group pyproject.toml:server --upgrade --universal \
	    --generate-hashes --no-annotate --no-header --python-version 3.9 \
	    --output-file loadtest/server/requirements.txt

.venv/run: requirements.txt pyproject.toml
.venv/notebooks: requirements-notebooks.txt .venv/run
.venv/dev: requirements-dev.txt .venv/run
.venv/gallery: requirements-gallery.txt .venv/run
.venv/run .venv/notebooks .venv/dev .venv/gallery:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'error: Python 3.11 or newer is needed; name one, such as PYTHON=python3.12'; exit 2; }
	@echo 'installing $< (once)'
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(PY) -c 'import pathlib, sysconfig; here = pathlib.Path(sysconfig.get_path("purelib"), "here.pth"); \
	    here.write_text(f"{pathlib.Path.cwd()}\n", encoding="utf-8")'
	@touch $@
