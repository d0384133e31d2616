# Where should a Flask app keep its state?  `make` alone shows what there is to do.

VARIANTS := plain_global flask_g locked_global sqlite_row redis_key
GALLERY := $(filter-out __init__ models,$(basename $(notdir $(wildcard variants/gallery/*.py))))
GALLERY_TESTS := variants/tests/test_gallery.py loadtest/tests/test_gallery.py \
    loadtest/tests/server/test_postgres_server.py
PYTHON ?= python3
PY := .venv/bin/python
SETTINGS := A APP AUDIT_AFTER_RESTART B BUSY CHDIR CLAIM CONFIRM_HOST COUNT COURSE DATABASE_URL \
    DURATION ECHO EVERY FAULT FILE HEADERS HISTORIES ID INCREMENT INCREMENT_COUNT KIND LIMIT \
    MAPPING PAUSE_MS PORT PRELOAD PY PYTEST_ADDOPTS PYTHON READ READ_BACK README REDIS_PREFIX \
    REDIS_URL REQUESTS ROUNDS SEED SERVE SERVER SERVER_PYTHON SHAKE SHAKE_ALSO SHAKEN SQLITE_PATH STATE_PATH THREADS TIMES \
    URL USERS VARIANT WORKERS WORKER_CLASS WORKER_HEADER WRITE
nearest = $(shell $(PYTHON) -c 'import difflib, sys; \
    found = difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1); \
    print(*(f"; did you mean {each}?" for each in found))' '$(subst ','\'',$(1))' $(2))
UNKNOWN := $(filter-out $(SETTINGS) MAKEFLAGS MAKEOVERRIDES,$(foreach name,$(.VARIABLES), \
    $(if $(filter command line,$(origin $(name))),$(name))))
$(foreach name,$(UNKNOWN),$(error unknown setting $(name)$(call nearest,$(name),$(SETTINGS)) \
    A setting of your own app goes before make: $(name)=… make check …))
# what is typed reaches the programs through the environment as it was typed: no shell reads it
# there, and make expands no $ in it
$(foreach name,$(.VARIABLES),$(if $(filter command line,$(origin $(name))), \
    $(eval override $(name) := $$(value $(name)))$(eval export $(name))))

# two pips in one .venv would meet
.NOTPARALLEL:
.PHONY: help check servers faults soak serve-app locust-app $(VARIANTS) gallery $(GALLERY) diff judge report notebooks test test-apps test-notebooks test-gallery nightly deaths lint audit findings bench pictures setup lock clean

menu = grep -hE '^[^ ]+:.* $(1) ' $(MAKEFILE_LIST) | sed -e 's/$$(VARIANTS):/<variant>:/' \
    -e 's/-%:/-<variant>:/' -e 's/:.* $(1) /\t/' -e 's/IDIOMS/$(words $(GALLERY))/' | \
    awk -F '\t' '{ printf "  make %-18s %s\n", $$1, $$2 }'
help:
	@echo 'Where should a Flask app keep its state?'; echo
	@$(call menu,\#\#)
	@echo; echo 'To change the project:'; echo
	@$(call menu,\#\#\#)
	@echo; echo '  <variant>  $(VARIANTS)'
	@echo '  your app   make check APP=shop:app INCREMENT="POST /hits" READ="GET /hits"'
	@echo '  settings   WORKERS=4 THREADS=8 USERS=16 DURATION=0.5 PAUSE_MS=1 PORT=8000'

check: .venv/run ## measure all variants, four topologies (VARIANT=…)
	@$(PY) -m loadtest check $${VARIANT:+"$$VARIANT"}

faults: .venv/run ## inject every fault, and see what survives
	@$(PY) -m loadtest faults $${VARIANT:+"$$VARIANT"}

servers: .venv/run ## measure your server's defaults: flask run, uWSGI, …
	@$(PY) -m loadtest servers $${SERVER:+"$$SERVER"} $(if $(README),--readme)

$(VARIANTS): .venv/run ## measure that variant alone
	@$(PY) -m loadtest check $@

gallery: .venv/gallery ## measure what people write: IDIOMS idioms (EVERY=1: all)
	@$(PY) -m loadtest gallery $(if $(EVERY),--every) $(if $(README),--readme)

$(GALLERY): .venv/gallery
	@$(PY) -m loadtest check $@

serve-app: .venv/run
	@$(PY) -m loadtest serve

locust-app: .venv/run
	@$(PY) -m loadtest locust

serve-%: export NAME = $*
serve-%: .venv/run ## serve a variant, and try it with curl
	@$(PY) -m loadtest serve "$$NAME"

locust-%: export NAME = $*
locust-%: .venv/run ## serve a variant, and load it from locust's web UI
	@$(PY) -m loadtest locust "$$NAME"

A ?= plain_global
B ?= locked_global
export A := $(value A)
export B := $(value B)
diff: ## show the difference of two variants: A=… B=…
	@for variant in "$$A" "$$B"; do test -f "variants/$$variant.py" -o -f "variants/gallery/$$variant.py" || \
	    { echo "error: unknown variant '$$variant'; variants: $(VARIANTS) $(GALLERY)"; exit 2; }; done
	@diff --unified=999 --ignore-all-space \
	    $(wildcard variants/$(A).py variants/gallery/$(A).py) \
	    $(wildcard variants/$(B).py variants/gallery/$(B).py) || test $$? = 1

judge: .venv/run ## judge a history recorded anywhere: FILE=my.jsonl
	@$(PY) -m loadtest judge $${FILE:+"$$FILE"}

report: .venv/run ## open the page that the last check wrote
	@$(PY) -m loadtest report

notebooks: .venv/notebooks .venv/gallery ## take the course: six walkthroughs in Jupyter
	@$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/1-where-did-my-updates-go.ipynb \
	    $(if $(filter 0,$(shell id -u)),--allow-root)

test: .venv/dev ### run the tests, those of the next three excepted
	@$(PY) -m pytest --numprocesses 3 --dist worksteal $(GALLERY_TESTS:%=--ignore %)

test-notebooks: .venv/dev .venv/gallery ### run every notebook as a reader does
	@$(PY) -m pytest notebooks/tests --numprocesses 2 --dist worksteal

test-apps: .venv/dev ### judge published packages as they are
	@REAL_APPS=yes $(PY) -m pytest loadtest/tests/test_real_apps.py

test-gallery: .venv/dev .venv/gallery ### test every idiom, and the PostgreSQL that some need
	@$(PY) -m pytest $(GALLERY_TESTS)

nightly: .venv/dev ### judge 100,000 histories, and odd requests (SEED=1)
	@cd loadtest/tests/checker && HISTORIES=100000 SEED="$${SEED:-$$(date +%s)}" \
	    ../../../$(PY) -m pytest --verbose --numprocesses 3 --timeout 0 \
	    test_agreement.py test_truth.py test_witness.py test_worlds.py kinds/test_kinds_agree.py
	@SHAKEN=$${SHAKEN:-100} $(PY) -m pytest loadtest/tests/test_shaken.py --timeout 0 -k 'twin or right'
	@REQUESTS=10000 $(PY) -m pytest variants/tests/test_requests.py --numprocesses 3 \
	    --hypothesis-seed "$${SEED:-$$(date +%s)}"

soak: .venv/run ### repeat matrix and faults 20 times (ROUNDS=100 BUSY=2)
	@$(PY) -m loadtest soak

deaths: .venv/dev ### end commands 100 times: is anything left? (TIMES=8)
	@$(PY) -m loadtest.tests.deaths "$${TIMES:-100}"

lint: .venv/dev ### check style and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

audit: .venv/dev ### look up known weaknesses of the locked packages
	@$(PY) -c 'import requests; requests.get("https://api.osv.dev", timeout=10)' 2>/dev/null || \
	    { echo 'not audited: OSV, which has the advisories, cannot be reached'; exit 2; }
	@$(PY) -m uv --quiet tool run pip-audit==2.10.1 --vulnerability-service osv --disable-pip \
	    --require-hashes --progress-spinner off \
	    $(addprefix --requirement ,$(wildcard requirements*.txt) loadtest/server/requirements.txt)

findings: ### run the findings: which still hold?
	@status=0; for script in findings/*.sh; do \
	    if out=$$(PYTHON="$(PYTHON)" bash "$$script" 2>&1); then echo "holds    $$script"; \
	    else echo "changed  $$script"; echo "$$out" | sed 's/^/    /'; status=1; fi; done; exit $$status

bench: .venv/dev ### measure speed, as ratios of one run
	@$(PY) -m loadtest.bench

pictures: .venv/run ### draw the README's pictures and tables again
	@$(PY) -m loadtest check --pictures loadtest/pictures

setup: .venv/run ### build .venv (other targets do so when needed)

clean: ### remove .venv, results and caches
	rm -rf .venv .venv-* results .hypothesis .mypy_cache .pytest_cache .ruff_cache state state.sqlite3*
	find . -name __pycache__ -prune -exec rm -rf {} +

lock: .venv/dev ### lock the newest releases that pyproject.toml allows
	@lock() { $(PY) -m uv --quiet pip compile pyproject.toml --upgrade --universal --generate-hashes \
	    --no-annotate --no-header --python-version 3.11 "$$@"; }; \
	lock --output-file requirements.txt && \
	lock --group notebooks --constraint requirements.txt --output-file requirements-notebooks.txt && \
	lock --group dev --constraint requirements-notebooks.txt --output-file requirements-dev.txt && \
	lock --group gallery --constraint requirements-dev.txt --output-file requirements-gallery.txt && \
	theirs() { $(PY) -m uv --quiet pip compile --group pyproject.toml:$$1 --upgrade --universal \
	    --generate-hashes --no-annotate --no-header --python-version 3.9 --output-file $$2; }; \
	theirs server loadtest/server/requirements.txt && \
	for file in loadtest/server/servers/*.txt; do theirs "$$(basename "$$file" .txt)" "$$file" || exit; done

.venv/run: requirements.txt pyproject.toml
.venv/notebooks: requirements-notebooks.txt .venv/run
.venv/dev: requirements-dev.txt .venv/run
.venv/gallery: requirements-gallery.txt .venv/run
# pip's own words are shown only if it fails
.venv/run .venv/notebooks .venv/dev .venv/gallery:
	@$(PYTHON) -c 'import sys, sysconfig; \
	    sys.version_info < (3, 11) and sys.exit("error: Python 3.11 or newer is needed; name one, such as PYTHON=python3.12"); \
	    sysconfig.get_config_var("Py_GIL_DISABLED") and sys.exit("error: a free-threaded Python can serve (SERVER_PYTHON=…), not run the project")' || exit 2
	@echo 'installing $< (once)'
	@# only a Python that somebody named takes the place of the one in .venv
	@test -x $(PY) && { test "$(origin PYTHON)" = file || test "$$($(PYTHON) -VV)" = "$$($(PY) -VV)"; } || \
	    $(PYTHON) -m venv --clear .venv
	@{ PYTHONUNBUFFERED=1 $(PY) -m pip install --disable-pip-version-check --progress-bar off \
	    --require-hashes -r $< 2>&1 && touch .venv/done; } | tee .venv/install.log | { test -t 1 && \
	    awk '/^(Collecting|Requirement already)/ \
	    { printf "\r  %d packages", ++n; fflush() } END { print "" }' || cat >/dev/null; }
	@rm .venv/done 2>/dev/null || { tail -n 5 .venv/install.log; exit 2; }
	@$(PY) -c 'import pathlib, sysconfig; here = pathlib.Path(sysconfig.get_path("purelib"), "here.pth"); \
	    here.write_text(f"{pathlib.Path.cwd()}\n", encoding="utf-8")'
	@touch $@

.DEFAULT:
	@echo "error: no such target$(call nearest,$@,$(VARIANTS) $(GALLERY) check faults gallery diff \
	    judge report notebooks test lint setup clean); make alone shows the menu" >&2; exit 2
