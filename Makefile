# rollbackd. `make` builds, `make check` tests, `make demo` shows a whole rollback. MODE=release (default), asan or tsan.

MODE ?= release
O    := build/$(MODE)
PKGS := libmicrohttpd json-c libcurl sqlite3 yaml-0.1 libpcre2-8 gnutls libsystemd
# no: the page's HTML alone, without a script, and built without nodejs.
PAGE ?= yes
DESTDIR ?=
PREFIX  ?= /usr

DEPS_BUILD := pkg-config libmicrohttpd-dev libjson-c-dev libcurl4-gnutls-dev libsqlite3-dev libyaml-dev libpcre2-dev \
              libjq-dev libonig-dev libgnutls28-dev libsystemd-dev libcrypt-dev python3
DEPS_PAGE  := nodejs npm
DEPS_BROWSER := chromium fonts-dejavu-core
DEPS_CHECK := libfaketime valgrind strace e2fsprogs libcmocka-dev python3 python3-pytest python3-pytest-xdist systemd duktape clang-format-19 clang-tidy-19 cppcheck shellcheck man-db sqlite3 zsh fish
DEPS_DEB   := dpkg-dev binutils lintian
DEPS_REPO  := apt-utils
DEPS_IMAGE := binutils ca-certificates python3 tzdata
DEPS_DEMO  := python3 procps

mode.release := -O2 -D_FORTIFY_SOURCE=2
mode.asan    := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
# Of gcc 14's analyzer: it takes a descriptor that it has seen to be open for -1 in the next line, and realloc(n + 1) for n.
# Of gcc 12's: strings that an array or a struct owns are a leak to it after a few turns of a loop; LeakSanitizer looks for those.
mode.analyze := -O1 -fanalyzer -Wno-analyzer-fd-leak -Wno-analyzer-out-of-bounds -Wno-analyzer-malloc-leak
mode.tsan    := -O1 -fno-omit-frame-pointer -fsanitize=thread

VERSION := 0.1.0
cflags = -std=gnu17 -g -MMD -MP -I. -D_GNU_SOURCE -DROLLBACKD_VERSION='"$(VERSION)"' -fstack-protector-strong \
         -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wswitch-enum \
         $(if $(WERROR),-Werror) $(shell pkg-config --cflags $(PKGS)) $(mode.$(MODE))
libs   = $(shell pkg-config --libs $(PKGS)) -ljq -lcrypt -lpthread -lm

LIB_SRCS  := $(wildcard server/core/*.c server/http/*.c server/auth/*.c server/web/*.c server/config/*.c alertmanager/*.c db/*.c handlers/*/*.c) \
             $(filter-out server/main.c server/run.c,$(wildcard server/*.c))
# What rollbackd-run is made of: nothing here needs more than libc, and it starts in a moment.
RUN_SRCS  := server/run.c handlers/steps/runner.c handlers/steps/runner_files.c handlers/steps/runner_trust.c \
             $(patsubst %,server/core/%.c,buf child clock failpoint headtail json_reader json_raw text_time text_utf8)
CTL_SRCS  := $(wildcard server/ctl/*.c server/ctl/*/*.c)
UNIT_SRCS := $(wildcard tests/unit/test_*.c)
LIB_OBJS  := $(LIB_SRCS:%.c=$O/%.o) $O/page/embedded.o
UNITS     := $(UNIT_SRCS:%.c=$O/%)
PROGRAMS  := $O/rollbackd $O/rollbackd-run $O/rollbackctl $O/demo-service

all: deps-build
	+@$(MAKE) --no-print-directory programs
programs: $(PROGRAMS)

$O/rollbackd: $O/server/main.o $(LIB_OBJS) | $O/rollbackd-run
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs) $(LDLIBS)
$O/rollbackd-run: $(RUN_SRCS:%.c=$O/%.o)
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$O/rollbackctl: $(CTL_SRCS:%.c=$O/%.o) $(LIB_OBJS)
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs) $(LDLIBS)
$O/demo-service: $(patsubst %.c,$O/%.o,$(wildcard deploy/demo/*.c)) $O/server/core/sampling.o
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs libmicrohttpd libcurl json-c) -lpthread -lm $(LDLIBS)
# What begins so tests a part of rollbackctl.
$O/tests/unit/test_ctl_%: $O/tests/unit/test_ctl_%.o $(filter-out $O/server/ctl/main.o,$(CTL_SRCS:%.c=$O/%.o)) $(LIB_OBJS)
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs) -lcmocka $(LDLIBS)
$O/tests/unit/test_%: $O/tests/unit/test_%.o $(LIB_OBJS)
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs) -lcmocka $(LDLIBS)
$O/%.o: %.c $O/flags
	@mkdir -p $(@D); echo "  CC $@"
	@$(CC) $(cflags) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# --- what browsers get (server/web/assets.h) ---
# npm runs when its lockfile changed, the bundler when a source did. Both variants may be built side by side: tests look at both.

SCRIPT    := build/page/out/page.js
STYLE     := server/web/page.css
embed.no  := page.css=$(STYLE)
embed.yes := $(embed.no) page.js=$(SCRIPT)

$O/page/%.o: build/page/%.c $O/flags
	@mkdir -p $(@D); echo "  CC $@"
	@$(CC) $(cflags) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
build/page/embedded.c: build/page/$(PAGE).c FORCE
	@cmp -s $< $@ || cp $< $@
build/page/yes.c: $(SCRIPT)
build/page/yes.c build/page/no.c: build/page/%.c: $(STYLE) server/web/embed.sh
	@mkdir -p $(@D); echo "  EMBED $@"
	@sh server/web/embed.sh $(embed.$*) >$@.new && mv $@.new $@
$(SCRIPT): $(wildcard server/web/page/src/*) server/web/page/build.sh build/page/node_modules/.made
	@echo "  BUNDLE $@"
	@sh server/web/page/build.sh bundle
build/page/node_modules/.made: server/web/page/package.json server/web/page/package-lock.json server/web/page/.npmrc
	@echo "  NPM server/web/page"
	@sh server/web/page/build.sh npm && touch $@
# The daemon without a script whatever PAGE says, for the tests.
$O/rollbackd-plain: $O/server/main.o $(filter-out %/embedded.o,$(LIB_OBJS)) $O/page/no.o
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs) $(LDLIBS)

# A change of compiler or flags rebuilds everything, and nothing else does.
$O/flags: FORCE
	@mkdir -p $O; echo '$(CC) $(cflags) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || \
	 echo '$(CC) $(cflags) $(CPPFLAGS) $(CFLAGS)' > $@

# Tests wait more than they compute: several at a time for each processor.
SIDE_BY_SIDE := $(shell expr 3 \* $$(nproc))

unit: $(UNITS)
	@printf '%s\n' $^ | xargs -P $(SIDE_BY_SIDE) -I '{}' sh -c \
	  '{} > {}.log 2>&1 && echo "== {}" || { cat {}.log; echo "failed: {}"; exit 1; }'
	@sed -n 's/^\[ *SKIPPED *\] \([a-z_0-9]*\)$$/skipped, make check-tools-forky runs it: \1/p' $(^:%=%.log) | sort -u

# --- tests ---

# Debian's python3 has Debian's pytest; another python3 on the PATH may have none.
ALONE  = MODE=$(MODE) /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider --durations=5
PYTEST = $(ALONE) -n $(SIDE_BY_SIDE) --dist loadgroup
JOBS   := $(shell nproc)

# What the tests build (a package) and the demo have the flags of check, so nothing is built twice, or anew under a test that runs it.
# What is about the script is left out where there is none.
BROWSER := $(if $(filter yes,$(PAGE)),tests/browser)
check: export WERROR := 1
check: export CC := $(CC)
check: deps-build deps-check deps-deb deps-repo deps-image deps-demo deps-tools deps-bench $(if $(BROWSER),deps-browser)
	+$(MAKE) --no-print-directory lint-structure
	+$(MAKE) --no-print-directory -j$(JOBS) all-units programs
	+$(MAKE) --no-print-directory -j2 check-computes check-waits
	$(ALONE) -m alone tests/e2e $(BROWSER)
	+$(MAKE) --no-print-directory demo
# Side by side: one half waits for what it has started, the other takes the processors that are left.
check-waits:
	+$(MAKE) --no-print-directory unit
	+$(MAKE) --no-print-directory rules
	+$(MAKE) --no-print-directory bench-smoke
	$(PYTEST) -m 'not alone' tests/e2e tests/crash $(BROWSER)
check-computes:
	+nice $(MAKE) --no-print-directory -j$(JOBS) simulate
	+nice $(MAKE) --no-print-directory instructions
	+nice $(MAKE) --no-print-directory -j$(JOBS) lint
	+nice $(MAKE) --no-print-directory -j$(JOBS) MODE=asan all-units programs
	+$(MAKE) --no-print-directory MODE=asan unit
	+nice $(MAKE) --no-print-directory MODE=asan fuzz

# What make check runs short or in one mode only: everything under the sanitizers, the crash walk for long, the Prometheus and Alertmanager
# of other Debians.
check-long: check check-sanitized crash long check-tools

check-sanitized: deps-build deps-check deps-tools
	+$(MAKE) --no-print-directory -j$(JOBS) MODE=asan all-units programs
	+$(MAKE) --no-print-directory MODE=asan unit e2e crash-short
	+$(MAKE) --no-print-directory -j$(JOBS) MODE=tsan all-units programs
	+$(MAKE) --no-print-directory MODE=tsan unit e2e

# Debian 12 has Prometheus 2.42 and Alertmanager 0.25, 13 has 2.53 and 0.28, the one after it 3.5 and 0.33.
SUITES     := bookworm trixie forky
WITH_TOOLS := $(shell grep -lE '^from harness import .*(Alertmanager|Prometheus|TOOLS)|^(import harness|from shipped_plan)' $(wildcard tests/e2e/test_*.py))
check-tools: $(SUITES:%=check-tools-%)
check-tools-%: deps-build deps-check deps-demo
	bash tests/tools.sh build/tools-$* $*
	+$(MAKE) --no-print-directory -j$(JOBS) programs
	bash tests/rules/run.sh build/tools-$*
	+$(MAKE) --no-print-directory $O/tests/unit/test_matcher_utf8 $O/tests/unit/test_promql3
	$O/tests/unit/test_matcher_utf8
	$O/tests/unit/test_promql3
	TOOLS=build/tools-$* $(PYTEST) $(WITH_TOOLS)
	+$(MAKE) --no-print-directory TOOLS=build/tools-$* demo

# The page in Debian's Chromium, with playwright-core and axe-core below build/browser; there are the screenshots as well.
browser: deps-browser
	$(PYTEST) tests/browser
build/browser/node_modules/.made: tests/browser/package.json tests/browser/package-lock.json tests/browser/.npmrc | deps-page
	@mkdir -p build/browser && cp $^ build/browser && cd build/browser && npm ci --loglevel=error && touch node_modules/.made

e2e:
	$(PYTEST) -m 'not alone' tests/e2e
	$(ALONE) -m alone tests/e2e
long: deps-build deps-check deps-tools $(if $(BROWSER),deps-browser)
	+$(MAKE) --no-print-directory -j$(JOBS) programs
	LONG=1 $(PYTEST) -m long tests/e2e $(BROWSER)
crash-short:
	$(PYTEST) tests/crash
crash: deps-build deps-check deps-tools
	+$(MAKE) --no-print-directory -j$(JOBS) programs
	CRASH_ROUNDS=150 $(PYTEST) tests/crash
all-units: $(UNITS) $O/rollbackd-plain

# The fuzz drivers with our own mutator, deterministic; MODE=asan makes them worth it.
FUZZERS := payload matcher prometheus promql config
FUZZ_N  ?= 20000
fuzz: $(FUZZERS:%=$O/tests/fuzz/fuzz_%)
	$O/tests/fuzz/fuzz_payload --mutate=$(FUZZ_N) tests/data/payloads/*
	$O/tests/fuzz/fuzz_matcher --mutate=$(FUZZ_N) tests/fuzz/corpus/matcher/*
	$O/tests/fuzz/fuzz_prometheus --mutate=$(FUZZ_N) tests/fuzz/corpus/prometheus/*
	$O/tests/fuzz/fuzz_promql --mutate=$(FUZZ_N) tests/fuzz/corpus/promql/*
	$O/tests/fuzz/fuzz_config --mutate=$$(($(FUZZ_N) / 20)) tests/fuzz/corpus/config/*
$O/tests/fuzz/fuzz_%: $O/tests/fuzz/fuzz_%.o $O/tests/fuzz/replay.o $(LIB_OBJS)
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs) $(LDLIBS)

# The real handlers and database in a world that is a model, one history per seed (tests/simulate/sim.h). SEED=n tells one.
SIMULATED := server/core/clock server/core/log server/core/loop server/core/loop_fetch handlers/steps/command \
             $(basename $(wildcard server/http/*.c server/auth/*.c server/daemon.c))
SEEDS     ?= 2000
simulate: $O/tests/simulate/simulate
	$O/tests/simulate/simulate $(if $(SEED),--seed=$(SEED) -v,--seeds=$(SEEDS))
# Does it see what it is there for? Breaks one rule of the engine at a time, and tells which history finds it. Half an hour.
mutants:
	+/usr/bin/python3 tests/simulate/mutants.py --seeds=$(SEEDS)
$O/tests/simulate/simulate: $(patsubst %.c,$O/%.o,$(wildcard tests/simulate/*.c)) $(filter-out $(SIMULATED:%=$O/%.o),$(LIB_OBJS))
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -Wl,--wrap=db_submit,--wrap=outbox_add,--wrap=flags_file_write,--wrap=flags_file_set,--wrap=usleep \
	  -o $@ $^ $(libs) $(LDLIBS)

# How fast it is, beside its peers and what the machine gives (tests/bench/bench.py). ROWS=1,3 measures only those.
BENCH      := load arrival bare limits
BENCH_PARTS = $O/tests/bench/histogram.o $O/tests/bench/body.o
bench: deps-build deps-tools deps-bench
	+@$(MAKE) --no-print-directory -j$(JOBS) programs bench-programs
	MODE=$(MODE) /usr/bin/python3 tests/bench/bench.py $(if $(ROWS),--rows=$(ROWS))
bench-smoke: programs bench-programs deps-bench
	@MODE=$(MODE) /usr/bin/python3 tests/bench/bench.py --smoke --json=build/bench-smoke.json >build/bench-smoke.txt 2>&1 || \
	  { cat build/bench-smoke.txt; exit 1; }
# What a webhook costs in instructions, against tests/bench/instructions.txt.
instructions: programs bench-programs
	MODE=$(MODE) /usr/bin/python3 tests/bench/instructions.py
bench-programs: $(BENCH:%=$O/tests/bench/%)
$(BENCH:%=$O/tests/bench/%): $O/tests/bench/%: $O/tests/bench/%.o $(BENCH_PARTS)
	@echo "  LD $@"
	@$(CC) $(mode.$(MODE)) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs libmicrohttpd sqlite3) $(LDLIBS)

# The shipped rules: well-formed, and each at, below and above its bound.
rules: deps-tools
	bash tests/rules/run.sh build/tools

# --- static analysis: each has nothing to say ---
# Each version of clang-format writes a little otherwise: 19 is in Debian 12 and 13.

C_FILES  := $(LIB_SRCS) $(CTL_SRCS) server/main.c server/run.c $(wildcard deploy/demo/*.c)
SH_FILES := $(wildcard deploy/debian/*.sh deploy/debian/p*inst deploy/debian/p*rm tests/*.sh tests/rules/*.sh deploy/demo/*.sh deploy/scripts/* server/web/*.sh server/web/page/*.sh) .ci/run

lint: lint-structure lint-format lint-gcc lint-tidy lint-cppcheck lint-shell $(if $(filter yes,$(PAGE)),lint-page)
lint-structure:
	@sh tests/includes.sh
	@CC='$(CC)' CFLAGS='$(filter-out -MMD -MP,$(cflags))' sh tests/structure.sh
lint-format:
	@clang-format-19 --dry-run -Werror $(wildcard server/*.[ch] server/*/*.[ch] server/*/*/*.[ch] handlers/*/*.[ch] db/*.[ch] \
	  alertmanager/*.[ch] deploy/demo/*.[ch] tests/*/*.[ch])
lint-gcc:
	+@$(MAKE) --no-print-directory MODE=analyze WERROR=1 objects
objects: $(C_FILES:%.c=$O/%.o)
lint-tidy: $(C_FILES:%.c=build/tidy/%.ok)
build/tidy/%.ok: %.c .clang-tidy
	@mkdir -p $(@D)
	@echo "  TIDY $<"
	@clang-tidy-19 --quiet $< -- $(filter-out -MMD -MP,$(cflags)) 2>/dev/null
	@touch $@
# It knows neither what CLEANUP releases nor a pointer that was looked at a line before: gcc's analyzer does, and LeakSanitizer.
lint-cppcheck:
	@cppcheck --quiet -j$(JOBS) --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --std=c11 \
	  -I. -D_GNU_SOURCE -DROLLBACKD_VERSION='"x"' --suppress=missingIncludeSystem --suppress=memleak \
	  --suppress=nullPointerOutOfMemory --suppress=normalCheckLevelMaxBranches $(C_FILES)
lint-page: build/page/types.ok
build/page/types.ok: $(wildcard server/web/page/src/*) server/web/page/tsconfig.json server/web/page/build.sh build/page/node_modules/.made
	@sh server/web/page/build.sh types && touch $@
lint-shell:
	@shellcheck $(SH_FILES)

# --- the demo ---

TOOLS ?= build/tools

demo: deps-build deps-demo deps-tools
	+@$(MAKE) --no-print-directory -j$(JOBS) programs
	@O=$O TOOLS=$(TOOLS) KEEP=$(KEEP) deploy/demo/demo.sh

# --- installing ---

# Below share/rollbackd as it is below deploy; the provisioning of Grafana names that place.
SHARED = $(patsubst deploy/%,%,$(wildcard deploy/alertmanager/*.yml deploy/grafana/README.md deploy/grafana/*/*.json \
         deploy/grafana/*/*/*.yml))

# Debian 12 wants the units of its packages below /lib, later ones refuse that; systemd looks below /usr/local/lib, too.
CODENAME  := $(shell . /etc/os-release && echo $$VERSION_CODENAME)
UNITS_DIR  = $(if $(filter /usr+bookworm,$(PREFIX)+$(CODENAME)),/lib,$(PREFIX)/lib)/systemd/system

install: programs
	install -D -m 755 $O/rollbackd $(DESTDIR)$(PREFIX)/bin/rollbackd
	install -D -m 755 $O/rollbackctl $(DESTDIR)$(PREFIX)/bin/rollbackctl
	install -D -m 755 $O/rollbackd-run $(DESTDIR)$(PREFIX)/libexec/rollbackd/rollbackd-run
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/share/rollbackd/scripts deploy/scripts/*
	install -D -m 644 deploy/rollbackd.yml $(DESTDIR)$(PREFIX)/share/doc/rollbackd/examples/rollbackd.yml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/rollbackd/prometheus deploy/prometheus/*
	for f in $(SHARED); do install -D -m 644 deploy/$$f $(DESTDIR)$(PREFIX)/share/rollbackd/$$f || exit 1; done
	install -D -m 644 deploy/sampling.md $(DESTDIR)$(PREFIX)/share/doc/rollbackd/sampling.md
	install -D -m 644 deploy/systemd/flags-directory.conf $(DESTDIR)$(PREFIX)/share/doc/rollbackd/examples/flags-directory.conf
	sed 's|deploy/docs/|docs/|g' README.md > $(DESTDIR)$(PREFIX)/share/doc/rollbackd/README.md
	chmod 644 $(DESTDIR)$(PREFIX)/share/doc/rollbackd/README.md
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/rollbackd/docs deploy/docs/*
	sh deploy/debian/pages.sh $O $(DESTDIR)$(PREFIX)/share
	install -d $(DESTDIR)$(UNITS_DIR)
	sed 's|/usr/bin/rollback|$(PREFIX)/bin/rollback|' deploy/systemd/rollbackd.service > $(DESTDIR)$(UNITS_DIR)/rollbackd.service
	chmod 644 $(DESTDIR)$(UNITS_DIR)/rollbackd.service
	install -D -m 644 deploy/systemd/rollbackd.socket $(DESTDIR)$(UNITS_DIR)/rollbackd.socket
	install -D -m 644 deploy/systemd/rollbackd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/rollbackd.conf
	install -D -m 644 deploy/systemd/rollbackd.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/rollbackd.conf
	install -D -m 644 deploy/systemd/50-rollbackd.rules $(DESTDIR)$(PREFIX)/share/rollbackd/polkit/50-rollbackd.rules

# A Debian package in build/deb.
deb: deps-build deps-deb
	+@$(MAKE) --no-print-directory -j$(JOBS) programs
	@sh deploy/debian/build.sh $(VERSION)
# An apt repository of it in build/repo.
repo: deb deps-repo
	@sh deploy/debian/repo.sh build/deb/rollbackd_$(VERSION)_*.deb
# The root of an image, as a tarball and as an OCI layout, in build/image; no daemon builds it.
image: deps-build deps-image
	+@$(MAKE) --no-print-directory -j$(JOBS) programs
	@/usr/bin/python3 deploy/image/build.py $O build/image $(VERSION)

deps: deps-build deps-check deps-demo deps-tools deps-bench
deps-build: $(if $(filter yes,$(PAGE)),deps-page)
	@sh tests/deps.sh $(DEPS_BUILD)
deps-check:
	@sh tests/deps.sh $(DEPS_CHECK)
deps-deb:
	@sh tests/deps.sh $(DEPS_DEB)
deps-repo:
	@sh tests/deps.sh $(DEPS_REPO)
deps-image:
	@sh tests/deps.sh $(DEPS_IMAGE)
deps-demo:
	@sh tests/deps.sh $(DEPS_DEMO)
deps-browser: $(if $(filter yes,$(PAGE)),deps-page build/browser/node_modules/.made)
	@sh tests/deps.sh $(DEPS_BROWSER)
# Another nodejs, which brings its npm along, is as good as Debian's.
deps-page:
	@command -v npm >/dev/null || sh tests/deps.sh $(DEPS_PAGE)
# Prometheus and Alertmanager, unpacked and not installed: no service starts by itself. Debian 12's as well on a newer one: its
# Alertmanager is the last that shows where it sends to, which the doctor's tests want.
deps-tools:
	@bash tests/tools.sh build/tools
	@[ '$(CODENAME)' = bookworm ] || bash tests/tools.sh build/tools-bookworm bookworm
deps-bench:
	@PACKAGES=webhook PROGRAMS=webhook bash tests/tools.sh build/tools-bench

clean:
	rm -rf build

FORCE:
.PHONY: all programs all-units bench bench-smoke bench-programs instructions deps-bench fuzz simulate mutants unit check check-waits check-computes check-tools check-long check-sanitized e2e long crash crash-short rules lint lint-structure lint-format lint-gcc lint-tidy \
        lint-cppcheck lint-shell lint-page objects demo install deb repo image deps-deb deps-repo deps-image deps deps-build deps-check deps-demo deps-tools deps-page deps-browser browser clean FORCE
.SECONDARY:
-include $(shell find $O -name '*.d' 2>/dev/null)
