//! What we change in Lua's released source, all of it.
//!
//! Before an edit is added: can a native replacement of a library function do it? That is preferred,
//! for it survives a new release of Lua.

use std::fs;
use std::path::Path;

/// One change of one file.
struct Edit {
    /// Name of the file.
    file: &'static str,
    /// Text that occurs exactly once in it.
    replace: &'static str,
    /// What stands there instead.
    by: &'static str,
    /// Why it cannot be done from outside.
    why: &'static str,
}

/// Tables that are filled when a program could see that they are not.
///
/// A metatable can be marked as lazy (`welkin_setlazy`): the object it belongs to is not complete yet.
/// Its `__index` completes single fields; what looks past `__index` first calls the metatable's
/// `__fill` with the object, which takes the mark off when it has succeeded. The mark is bit 7 of the
/// metatable's `flags`, which Lua does not use (bits 0 to 5: absent metamethods, 6: no hash part), so
/// that all other tables pay for the test of one pointer in `lua_next`.
const LAZY: &str = "a lazily filled table must not be told from a full one";

/// Strings are made for every field of every message.
const HASH: &str = "the hash of strings is a function of Lua's own file";

/// A table for every part of a message.
const TABLES: &str = "a new table gets room for its fields without being resized";

/// Tables that all VMs of the process read are a variant of their own, see `shared.h`.
const SHARED: &str = "a table that many VMs read must be a table to every function";

const EDITS: &[Edit] = &[
    Edit {
        file: "lobject.h",
        replace: "#define ttistable(o)\t\tchecktag((o), ctb(LUA_VTABLE))\n",
        by: "\
#define ttistable(o)\t\tchecktag((o), ctb(LUA_VTABLE))

/* (Welkin) one that all VMs of the process read */
#define LUA_VSHARED\tmakevariant(LUA_TTABLE, 1)

#define ttisshared(o)\t\tchecktag((o), ctb(LUA_VSHARED))
",
        why: SHARED,
    },
    Edit {
        file: "lvm.c",
        replace: "      lua_assert(!ttistable(t));\n      tm = luaT_gettmbyobj(L, t, TM_INDEX);\n",
        by: "\
      lua_assert(!ttistable(t));
      if (ttisshared(t))
        return welkin_sharedindex(L, t, key, val);
      tm = luaT_gettmbyobj(L, t, TM_INDEX);
",
        why: SHARED,
    },
    Edit {
        file: "lvm.h",
        replace: "  (tag = (!ttistable(t) ? LUA_VNOTABLE : f(hvalue(t), k, res)))",
        by: "\
  (tag = (l_likely(ttistable(t)) ? f(hvalue(t), k, res) \\
          : ttisshared(t) ? welkin_##f(L, t, k, res) : LUA_VNOTABLE))",
        why: SHARED,
    },
    Edit {
        file: "lvm.h",
        replace: "  if (!ttistable(t)) tag = LUA_VNOTABLE; \\\n  else { luaH_fastgeti(hvalue(t), k, res, tag); }",
        by: "\
  if (l_likely(ttistable(t))) { luaH_fastgeti(hvalue(t), k, res, tag); } \\
  else tag = ttisshared(t) ? welkin_luaH_getint(L, t, k, res) : LUA_VNOTABLE;",
        why: SHARED,
    },
    Edit {
        file: "lvm.c",
        replace: "#include \"lvm.h\"\n",
        by: "#include \"lvm.h\"\n#include \"shared.h\"\n",
        why: SHARED,
    },
    Edit {
        file: "lvm.c",
        replace: "    case LUA_VSHRSTR: {\n      setivalue(s2v(ra), tsvalue(rb)->shrlen);\n",
        by: "\
    case LUA_VSHARED: {
      setivalue(s2v(ra), l_castU2S(welkin_sharedvalue(rb)->length));
      return;
    }
    case LUA_VSHRSTR: {
      setivalue(s2v(ra), tsvalue(rb)->shrlen);
",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "#include \"lundump.h\"\n#include \"lvm.h\"\n",
        by: "#include \"lundump.h\"\n#include \"lvm.h\"\n#include \"shared.h\"\n",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "    default: return 0;\n  }\n}\n\n\nLUA_API lua_CFunction lua_tocfunction",
        by: "\
    case LUA_VSHARED: return welkin_sharedvalue(o)->length;
    default: return 0;
  }
}


LUA_API lua_CFunction lua_tocfunction",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "  api_check(L, ttistable(t), \"table expected\");\n  return hvalue(t);",
        by: "\
  api_check(L, ttype(t) == LUA_TTABLE, \"table expected\");
  return hvalue(t);  /* of a shared one: an empty table */",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "\
  t = gettable(L, idx);
  tag = luaH_get(t, s2v(L->top.p - 1), s2v(L->top.p - 1));
",
        by: "\
  t = gettable(L, idx);
  if (l_unlikely(t->tt == LUA_VSHARED))
    tag = welkin_sharedget(L, index2value(L, idx), s2v(L->top.p - 1),
                           L->top.p - 1);
  else
    tag = luaH_get(t, s2v(L->top.p - 1), s2v(L->top.p - 1));
",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "  t = gettable(L, idx);\n  luaH_fastgeti(t, n, s2v(L->top.p), tag);\n",
        by: "\
  t = gettable(L, idx);
  if (l_unlikely(t->tt == LUA_VSHARED)) {
    TValue key;
    setivalue(&key, n);
    tag = welkin_sharedget(L, index2value(L, idx), &key, L->top.p);
  }
  else {
    luaH_fastgeti(t, n, s2v(L->top.p), tag);
  }
",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "\
  setpvalue(&k, cast_voidp(p));
  return finishrawget(L, luaH_get(t, &k, s2v(L->top.p)));
",
        by: "\
  setpvalue(&k, cast_voidp(p));
  if (l_unlikely(t->tt == LUA_VSHARED))
    return finishrawget(L, welkin_sharedget(L, index2value(L, idx), &k,
                                            L->top.p));
  return finishrawget(L, luaH_get(t, &k, s2v(L->top.p)));
",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "  if (mt != NULL) {\n    sethvalue2s(L, L->top.p, mt);\n",
        by: "\
  if (mt != NULL) {
    sethvalue2s(L, L->top.p, mt);
    if (l_unlikely(testbit(mt->marked, WELKIN_MIRRORBIT)))
      welkin_mirrored(L, mt, s2v(L->top.p));
",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "static void aux_rawset (lua_State *L, int idx, TValue *key, int n) {\n  Table *t;\n  lua_lock(L);\n  api_checkpop(L, n);\n  t = gettable(L, idx);\n",
        by: "\
static void checkown (lua_State *L, const Table *t) {
  if (l_unlikely(t->tt == LUA_VSHARED))
    luaG_runerror(L, \"attempt to change a shared table\");
}


static void aux_rawset (lua_State *L, int idx, TValue *key, int n) {
  Table *t;
  lua_lock(L);
  api_checkpop(L, n);
  t = gettable(L, idx);
  checkown(L, t);
",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "  t = gettable(L, idx);\n  luaH_setint(L, t, n, s2v(L->top.p - 1));\n",
        by: "  t = gettable(L, idx);\n  checkown(L, t);\n  luaH_setint(L, t, n, s2v(L->top.p - 1));\n",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "    api_check(L, ttistable(s2v(L->top.p - 1)), \"table expected\");\n    mt = hvalue(s2v(L->top.p - 1));\n  }\n",
        by: "\
    api_check(L, ttype(s2v(L->top.p - 1)) == LUA_TTABLE, \"table expected\");
    mt = hvalue(s2v(L->top.p - 1));
    if (l_unlikely(mt->tt == LUA_VSHARED)) {
      mt = welkin_mirror(L, s2v(L->top.p - 1));
      obj = index2value(L, objindex);  /* the stack may have moved */
    }
  }
  if (l_unlikely(ttisshared(obj)))
    luaG_runerror(L, \"can't setmetatable to shared table\");
",
        why: SHARED,
    },
    Edit {
        file: "lapi.c",
        replace: "  more = luaH_next(L, t, L->top.p - 1);\n  if (more)\n    api_incr_top(L);\n  else  /* no more elements */",
        by: "\
  if (l_unlikely(t->tt == LUA_VSHARED))
    more = welkin_sharednext(L, index2value(L, idx), L->top.p - 1);
  else
    more = luaH_next(L, t, L->top.p - 1);
  if (more)
    api_incr_top(L);
  else  /* no more elements */",
        why: SHARED,
    },
    Edit {
        file: "lstring.c",
        replace: "\
static unsigned luaS_hash (const char *str, size_t l, unsigned seed) {
  unsigned int h = seed ^ cast_uint(l);
  for (; l > 0; l--)
    h ^= ((h<<5) + (h>>2) + cast_byte(str[l - 1]));
  return h;
}
",
        by: "#include \"hash.h\"\n",
        why: HASH,
    },
    Edit {
        file: "lstring.c",
        replace: "\
    if (l == cast_uint(ts->shrlen) &&
        (memcmp(str, getshrstr(ts), l * sizeof(char)) == 0)) {
      /* found! */",
        by: "\
    if (h == ts->hash && l == cast_uint(ts->shrlen) &&
        welkin_same(str, getshrstr(ts), l)) {
      /* found! */",
        why: HASH,
    },
    Edit {
        file: "ltable.c",
        replace: "static void setnodevector (lua_State *L, Table *t, unsigned size) {",
        by: "\
#define setnodevector\t\twelkin_setnodevector
LUAI_FUNC void setnodevector (lua_State *L, Table *t, unsigned size) {",
        why: TABLES,
    },
    Edit {
        file: "ldo.c",
        replace: "LUA_API int lua_isyieldable (lua_State *L) {",
        by: "\
/* (Welkin) results that the caller of the running C function wants; -1: all */
LUA_API int welkin_wanted (lua_State *L) {
  return get_nresults(L->ci->callstatus);
}


LUA_API int lua_isyieldable (lua_State *L) {",
        why: "a timer whose coroutine nobody asked for needs none until it fires",
    },
    Edit {
        file: "lapi.c",
        replace: "LUA_API int lua_status (lua_State *L) {",
        by: "\
/* (Welkin) in a hook: more hooks may come, in the handlers of the error that it raises */
LUA_API void welkin_allowhook (lua_State *L) {
  L->allowhook = 1;
}


LUA_API int lua_status (lua_State *L) {",
        why: "an error handler that a hook's error has called is called within the hook, and must be interruptible",
    },
    Edit {
        file: "lstate.c",
        replace: "TStatus luaE_resetthread (lua_State *L, TStatus status) {\n  resetCI(L);",
        by: "TStatus luaE_resetthread (lua_State *L, TStatus status) {\n  L->allowhook = 1;\n  resetCI(L);",
        why: "a coroutine that a hook ended by an error is used again, and must be interruptible again",
    },
    Edit {
        file: "lapi.c",
        replace: "LUA_API int lua_setmetatable (lua_State *L, int objindex) {\n  TValue *obj;\n  Table *mt;\n",
        by: "\
/* (Welkin) mark of a metatable whose object is not complete yet */
#define BITLAZY\t\t(1 << 7)

LUA_API void welkin_setlazy (lua_State *L, int idx, int lazy) {
  Table *mt = gettable(L, idx);
  if (lazy) mt->flags |= cast_byte(BITLAZY);
  else mt->flags &= cast_byte(~BITLAZY);
}

LUA_API int welkin_fill (lua_State *L, int idx) {
  const TValue *o = index2value(L, idx);
  Table *mt;
  switch (ttype(o)) {
    case LUA_TTABLE: mt = hvalue(o)->metatable; break;
    case LUA_TUSERDATA: mt = uvalue(o)->metatable; break;
    default: mt = G(L)->mt[ttype(o)]; break;
  }
  if (l_likely(mt == NULL || !(mt->flags & BITLAZY)))
    return 0;
  idx = lua_absindex(L, idx);
  if (!lua_checkstack(L, 4))
    luaG_runerror(L, \"stack overflow\");
  lua_getmetatable(L, idx);
  lua_getfield(L, -1, \"__fill\");
  lua_pushvalue(L, idx);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
  return 1;
}


LUA_API int lua_setmetatable (lua_State *L, int objindex) {
  TValue *obj;
  Table *mt;
  welkin_fill(L, objindex);
",
        why: LAZY,
    },
    Edit {
        file: "lapi.c",
        replace: "LUA_API int lua_next (lua_State *L, int idx) {\n  Table *t;\n  int more;\n  lua_lock(L);\n  api_checkpop(L, 1);\n  t = gettable(L, idx);\n",
        by: "\
/* (Welkin) walks a lazily filled table as it is */
LUA_API int welkin_rawnext (lua_State *L, int idx) {
  int more = luaH_next(L, gettable(L, idx), L->top.p - 1);
  if (more)
    api_incr_top(L);
  else
    L->top.p--;
  return more;
}


LUA_API int lua_next (lua_State *L, int idx) {
  Table *t;
  int more;
  lua_lock(L);
  api_checkpop(L, 1);
  t = gettable(L, idx);
  if (l_unlikely(t->metatable != NULL && t->metatable->flags & BITLAZY))
    welkin_fill(L, idx);
",
        why: LAZY,
    },
    Edit {
        // A traceback looks in the loaded modules for the functions that run; those of a library that
        // is not open do not run.
        file: "lauxlib.c",
        replace: "  lua_pushnil(L);  /* start 'next' loop */\n  while (lua_next(L, -2)) {",
        by: "  lua_pushnil(L);  /* start 'next' loop */\n  while (welkin_rawnext(L, -2)) {",
        why: LAZY,
    },
    Edit {
        file: "lua.h",
        replace: "LUA_API int   (lua_next) (lua_State *L, int idx);",
        by: "\
LUA_API int   (lua_next) (lua_State *L, int idx);
LUA_API void  (welkin_setlazy) (lua_State *L, int idx, int lazy);
LUA_API int   (welkin_fill) (lua_State *L, int idx);
LUA_API int   (welkin_rawnext) (lua_State *L, int idx);",
        why: LAZY,
    },
    Edit {
        file: "lbaselib.c",
        replace: "  luaL_checkany(L, 1);\n  if (!lua_getmetatable(L, 1)) {\n",
        by: "  luaL_checkany(L, 1);\n  welkin_fill(L, 1);\n  if (!lua_getmetatable(L, 1)) {\n",
        why: LAZY,
    },
    Edit {
        file: "lbaselib.c",
        replace: "  lua_settop(L, 2);\n  lua_rawget(L, 1);\n",
        by: "  lua_settop(L, 2);\n  welkin_fill(L, 1);\n  lua_rawget(L, 1);\n",
        why: LAZY,
    },
    Edit {
        file: "lbaselib.c",
        replace: "  lua_settop(L, 3);\n  lua_rawset(L, 1);\n",
        by: "  lua_settop(L, 3);\n  welkin_fill(L, 1);\n  lua_rawset(L, 1);\n",
        why: LAZY,
    },
    Edit {
        file: "ldblib.c",
        replace: "  luaL_checkany(L, 1);\n  if (!lua_getmetatable(L, 1)) {\n",
        by: "  luaL_checkany(L, 1);\n  welkin_fill(L, 1);\n  if (!lua_getmetatable(L, 1)) {\n",
        why: LAZY,
    },
];

/// Applies all edits to the copy of the source in `folder`; one that does not fit ends the build.
pub fn apply(folder: &Path) {
    for edit in EDITS {
        let path = folder.join(edit.file);
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("edit of Lua's {} ({}): {e}", edit.file, edit.why));
        let found = text.matches(edit.replace).count();
        assert!(
            found == 1,
            "edit of Lua's {} ({}): the text to replace occurs {found} times, not once; \
             the release of Lua has changed, look at the edit again:\n{}",
            edit.file,
            edit.why,
            edit.replace
        );
        fs::write(&path, text.replacen(edit.replace, edit.by, 1)).expect("cannot write an edit");
    }
}
