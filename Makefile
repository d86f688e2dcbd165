# The build: `make help` lists what it can do.
#
# Everything made goes below BUILD. With SAN=address,undefined (or another list that -fsanitize
# takes) it goes below BUILD/san-address-undefined instead, so that both builds live side by side.
# V=1 shows the commands.

VERSION  := 0.1.0
PREFIX   ?= /usr/local
BUILD    ?= build
# Absolute, whoever asks: header dependencies are kept under the names that objects were made by.
override BUILD := $(abspath $(BUILD))
CFLAGS   ?= -O2 -g
TIME     ?= 60

comma    := ,
Q        := $(if $(V),,@)
say       = $(if $(V),,@printf '  %-5s %s\n' $(1) $(@:$(CURDIR)/%=%))
OUT      := $(BUILD)$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
BIN      := $(OUT)/kamal-proxy
APP      := $(OUT)/tests/app
LOAD     := $(OUT)/tests/load

STRICT   := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
STD      := -std=c17 -D_GNU_SOURCE -MMD -MP
SANFLAGS := $(if $(SAN),-O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all)
WERROR   ?= $(if $(filter true,$(CI)),1)
ERRORS   := $(if $(filter-out 0,$(WERROR)),-Werror)
DEFINES  := -DKP_VERSION=\"$(VERSION)\" -DKP_HOOKS_DIR=\"$(PREFIX)/lib/kamal-proxy/hooks\"
ALL_CFLAGS   = $(STD) $(CFLAGS) $(SANFLAGS) $(DEFINES) $(ERRORS)
SRC_CFLAGS   = $(ALL_CFLAGS) $(STRICT) -Iinclude
TEST_CFLAGS  = $(ALL_CFLAGS) -Wall -Wextra -Iinclude -Isrc -Itests -DUNIT_TEST
LINK         = $(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS)
LIBS         = -lev -liniparser -lssl -lcrypto -lnghttp2

SRC      := $(sort $(wildcard src/*.c src/*/*.c))
OBJ      := $(SRC:%.c=$(OUT)/obj/%.o)
ROOMS    := $(filter-out $(OUT)/obj/src/main.o,$(OBJ))
LIB      := $(OUT)/obj/rooms.a
APP_OBJ  := $(patsubst %.c,$(OUT)/obj/%.o,$(sort $(wildcard tests/app*.c)))
LOAD_OBJ := $(patsubst %.c,$(OUT)/obj/%.o,$(sort $(wildcard tests/load*.c)))
PROGRAMS := $(if $(APP_OBJ),$(APP)) $(if $(LOAD_OBJ),$(LOAD))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c tests/unit/*/test_*.c))
UNIT     := $(UNIT_SRC:%.c=$(OUT)/%)
HELP_OBJ := $(patsubst %.c,$(OUT)/obj/%.o,$(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c)))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
REPLAY   := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(OUT)/tests/fuzz/replay_%)
FUZZERS  := $(FUZZ_SRC:%.c=$(OUT)/%)
FUZZ_MAKE = $(MAKE) CC=clang SAN=address,undefined,fuzzer-no-link
TEST_ENV  = BUILD='$(BUILD)' OUT='$(OUT)' SAN='$(SAN)' CC='$(CC)' \
	    MAKE='$(MAKE)' KAMAL_PROXY='$(BIN)' TEST_APP='$(APP)' \
	    TEST_LOAD='$(LOAD)'

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all run test torture layers lint bench fuzz fuzzers install clean help programs unit replays \
	deps deps-build deps-test deps-fuzz deps-bench FORCE

all: $(BIN) ## build kamal-proxy (SAN=address,undefined: with sanitizers)

run: $(BIN) programs ## install what is missing, build, and serve a demo on 127.0.0.1:8080
	@exec env $(TEST_ENV) tests/demo.sh

test: deps-build deps-test ## every test and check (SUITES="unit e2e": only these), then "N passed, N failed"
	@exec env $(TEST_ENV) tests/run $(SUITES)

torture: deps-build deps-test ## the long versions of the tests, then again under sanitizers
	@$(TEST_ENV) TORTURE=1 tests/run
	@+$(MAKE) --no-print-directory SAN=address,undefined TORTURE=1 test

layers: ## check that every include points down (docs/LAYERS)
	@tests/lint/layers

lint: deps-test ## formatting, clang-tidy, shellcheck, sizes of functions and files
	@exec env $(TEST_ENV) tests/run layers lint

bench: deps-bench $(BIN) programs ## CPU per 100k requests against nginx and HAProxy (ROUNDS=5)
	@exec env $(TEST_ENV) tests/bench/run

fuzz: deps-fuzz ## run each fuzzer for TIME=60 seconds, starting from tests/corpus
	@+$(FUZZ_MAKE) --no-print-directory fuzzers
	@out=$(BUILD)/san-address-undefined-fuzzer-no-link; for f in $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%); do \
		mkdir -p $(BUILD)/fuzz/$$f tests/corpus/$$f && echo "fuzz $$f for $(TIME) s" && \
		$$out/tests/fuzz/fuzz_$$f -max_total_time=$(TIME) -print_final_stats=1 \
			-artifact_prefix=$(BUILD)/fuzz/crash-$$f- $(BUILD)/fuzz/$$f tests/corpus/$$f || exit 1; \
	done

install: $(BIN) ## install below DESTDIR and PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)$(PREFIX)/lib/kamal-proxy/hooks $(DESTDIR)$(PREFIX)/share/doc/kamal-proxy
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/kamal-proxy
	install -m 755 $(filter-out %.sh,$(wildcard hooks/*)) $(DESTDIR)$(PREFIX)/lib/kamal-proxy/hooks/
	install -m 644 $(wildcard hooks/*.sh) $(DESTDIR)$(PREFIX)/lib/kamal-proxy/hooks/
	install -m 644 docs/kamal-proxy.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(BIN) completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kamal-proxy
	$(BIN) completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_kamal-proxy
	install -m 644 kamal-proxy.ini README.md docs/LICENSE docs/CHANGELOG.md docs/files.md \
		docs/architecture.md $(wildcard docs/deploying.md) $(DESTDIR)$(PREFIX)/share/doc/kamal-proxy/

clean: ## remove everything built
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

deps: deps-build deps-test ## install (apt) what building and testing need, if it is missing
deps-build:
	@tests/deps build
deps-test:
	@tests/deps test
deps-fuzz:
	@tests/deps build fuzz
deps-bench:
	@tests/deps build bench

programs: $(PROGRAMS)
unit: $(UNIT)
replays: $(REPLAY)
fuzzers: $(FUZZERS)

# Rewritten only when a flag changes: then everything is stale.
$(OUT)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(CFLAGS) $(SANFLAGS) $(DEFINES) $(LDFLAGS)' | cmp -s - $@ || \
		printf '%s\n' '$(CC) $(CFLAGS) $(SANFLAGS) $(DEFINES) $(LDFLAGS)' >$@

$(OUT)/obj/src/%.o: src/%.c $(OUT)/flags | deps-build
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(SRC_CFLAGS) -c -o $@ $<

$(OUT)/obj/tests/%.o: tests/%.c $(OUT)/flags | deps-build
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(TEST_CFLAGS) -c -o $@ $<

$(BIN): $(OBJ)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^ $(LIBS)

$(APP): $(APP_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^

$(LOAD): $(LOAD_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^

# A test may include the .c it tests. Its definitions then come first, and since an archive gives only
# the members whose symbols are still missing, the room's own object stays out.
$(LIB): $(ROOMS)
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/tests/unit/%: $(OUT)/obj/tests/unit/%.o $(HELP_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^ $(LIBS) -lcmocka

$(OUT)/tests/fuzz/replay_%: $(OUT)/obj/tests/fuzz/fuzz_%.o $(OUT)/obj/tests/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^ $(LIBS)

$(OUT)/tests/fuzz/fuzz_%: $(OUT)/obj/tests/fuzz/fuzz_%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS)

-include $(patsubst %.o,%.d,$(OBJ) $(APP_OBJ) $(LOAD_OBJ) $(HELP_OBJ))
-include $(UNIT_SRC:%.c=$(OUT)/obj/%.d) $(FUZZ_SRC:%.c=$(OUT)/obj/%.d)
