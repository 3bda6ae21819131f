/*
** Values of tables, read and written without a place on Lua's stack.
**
** Codecs look at every entry of a table, or make one with many. By Lua's own
** interface that is five to eight calls for each entry, among them a look-up
** of the key that the walk has just been at. Here it is one. Only plain
** reading and writing: nothing here calls Lua code but `welkin_field`.
**
** A text points into a string of the table: it stays until Lua code runs, or
** something is made or changed.
*/

#define LUA_CORE

#include "lprefix.h"

#include "lua.h"

#include "lapi.h"
#include "lgc.h"
#include "lobject.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "lvm.h"

/* as in src/values.rs */
enum { NIL, FALSE_, TRUE_, INTEGER, FLOAT, TEXT, OTHER };

typedef struct welkin_Value {
  union { lua_Integer i; lua_Number n; const char *s; } u;
  size_t len;  /* of a text, in bytes */
  int kind;
  int type;  /* Lua's number for it */
} welkin_Value;


/* a positive index of the running function */
#define at(L,idx)	s2v((L)->ci->func.p + (idx))


/* false: a value that is known by its type only */
static int describe (const TValue *o, welkin_Value *out) {
  out->type = ttype(o);
  switch (ttypetag(o)) {
    case LUA_VNIL: out->kind = NIL; return 1;
    case LUA_VFALSE: out->kind = FALSE_; return 1;
    case LUA_VTRUE: out->kind = TRUE_; return 1;
    case LUA_VNUMINT: out->kind = INTEGER; out->u.i = ivalue(o); return 1;
    case LUA_VNUMFLT: out->kind = FLOAT; out->u.n = fltvalue(o); return 1;
    case LUA_VSHRSTR: case LUA_VLNGSTR: {
      TString *ts = tsvalue(o);
      out->kind = TEXT;
      out->u.s = getlstr(ts, out->len);
      return 1;
    }
    default: out->kind = OTHER; return 0;
  }
}


static int describe_or_push (lua_State *L, const TValue *o, welkin_Value *out) {
  if (describe(o, out))
    return 0;
  setobj2s(L, L->top.p, o);
  api_incr_top(L);
  return 1;
}


/*
** The entry of the table at 'idx' at 'place' or behind it; gives the place
** to go on from, 0 at the end. A value of kind OTHER is pushed.
*/
LUA_API unsigned welkin_entry (lua_State *L, int idx, unsigned place,
                               welkin_Value *key, welkin_Value *value) {
  Table *t = hvalue(at(L, idx));
  unsigned asize = t->asize;
  for (; place < asize; place++) {
    lu_byte tag = *getArrTag(t, place);
    if (!tagisempty(tag)) {
      TValue o;
      farr2val(t, place, tag, &o);
      key->kind = INTEGER;
      key->type = LUA_TNUMBER;
      key->u.i = cast(lua_Integer, place) + 1;
      describe_or_push(L, &o, value);
      return place + 1;
    }
  }
  for (; place - asize < sizenode(t); place++) {
    Node *n = gnode(t, place - asize);
    if (!isempty(gval(n))) {
      TValue k;
      getnodekey(L, &k, n);
      describe(&k, key);
      describe_or_push(L, gval(n), value);
      return place + 1;
    }
  }
  return 0;
}


/* 't[n]' without metamethods, of the table at 'idx'; OTHER is pushed */
LUA_API void welkin_item (lua_State *L, int idx, lua_Integer n,
                          welkin_Value *value) {
  Table *t = hvalue(at(L, idx));
  TValue o;
  lu_byte tag;
  luaH_fastgeti(t, n, &o, tag);
  if (tagisempty(tag))
    setnilvalue(&o);
  describe_or_push(L, &o, value);
}


/*
** 't[k]' with metamethods, of any value at 'idx', where 'k' is the string at
** 'n' in the list at 'names'. Pushes it, and gives 1, if it is OTHER or if
** nobody else need hold it.
*/
LUA_API int welkin_field (lua_State *L, int names, lua_Integer n, int idx,
                          welkin_Value *value) {
  TValue *o = at(L, idx);
  TValue key, found;
  lu_byte tag;
  luaH_fastgeti(hvalue(at(L, names)), n, &key, tag);
  if (l_likely(ttistable(o))) {
    Table *t = hvalue(o);
    tag = l_likely(ttisshrstring(&key))
          ? luaH_getshortstr(t, tsvalue(&key), &found)
          : luaH_getstr(t, tsvalue(&key), &found);
    if (!tagisempty(tag))
      return describe_or_push(L, &found, value);
    if (t->metatable == NULL) {
      value->kind = NIL;
      value->type = LUA_TNIL;
      return 0;
    }
  }
  setobj2s(L, L->top.p, &key);
  api_incr_top(L);
  lua_gettable(L, idx);
  describe(s2v(L->top.p - 1), value);
  return 1;
}


static void push_described (lua_State *L, const welkin_Value *value) {
  TValue *o = s2v(L->top.p);
  switch (value->kind) {
    case FALSE_: setbfvalue(o); break;
    case TRUE_: setbtvalue(o); break;
    case INTEGER: setivalue(o, value->u.i); break;
    case FLOAT: setfltvalue(o, value->u.n); break;
    case TEXT: {
      TString *ts = luaS_newlstr(L, value->u.s, value->len);
      setsvalue2s(L, L->top.p, ts);
      break;
    }
    default: setnilvalue(o); break;
  }
  api_incr_top(L);
}


/* the value is on top, and popped */
static void set (lua_State *L, Table *t, const TValue *key) {
  TValue *value = s2v(L->top.p - 1);
  luaH_set(L, t, key, value);
  invalidateTMcache(t);
  luaC_barrierback(L, obj2gco(t), key);
  luaC_barrierback(L, obj2gco(t), value);
  L->top.p--;
}


/*
** 't[key] = value' without metamethods, of the table at 'idx'. A value of
** kind OTHER is popped.
*/
LUA_API void welkin_store (lua_State *L, int idx, const char *key, size_t len,
                           const welkin_Value *value) {
  Table *t = hvalue(at(L, idx));
  TString *name = luaS_newlstr(L, key, len);
  TValue k;
  setsvalue2s(L, L->top.p, name);  /* holds it while the value is made */
  api_incr_top(L);
  setsvalue(L, &k, name);
  if (value->kind != OTHER)
    push_described(L, value);
  else {
    setobjs2s(L, L->top.p, L->top.p - 2);
    api_incr_top(L);
  }
  set(L, t, &k);
  L->top.p -= (value->kind != OTHER) ? 1 : 2;
  luaC_checkGC(L);
}


/* the same for 't[names[n]] = value', where the name is a string */
LUA_API void welkin_storenamed (lua_State *L, int idx, int names,
                                lua_Integer n, const welkin_Value *value) {
  TValue key;
  lu_byte tag;
  luaH_fastgeti(hvalue(at(L, names)), n, &key, tag);
  if (value->kind != OTHER)
    push_described(L, value);
  set(L, hvalue(at(L, idx)), &key);
  luaC_checkGC(L);
}


/* the same for 't[n] = value' */
LUA_API void welkin_storeitem (lua_State *L, int idx, lua_Integer n,
                               const welkin_Value *value) {
  Table *t = hvalue(at(L, idx));
  if (value->kind != OTHER)
    push_described(L, value);
  luaH_setint(L, t, n, s2v(L->top.p - 1));
  luaC_barrierback(L, obj2gco(t), s2v(L->top.p - 1));
  L->top.p--;
  luaC_checkGC(L);
}


/* what names the short string on top for the next function; NULL: it is none */
LUA_API const void *welkin_name (lua_State *L) {
  const TValue *o = s2v(L->top.p - 1);
  return ttisshrstring(o) ? (const void *)tsvalue(o) : NULL;
}


/*
** As lua_rawget with that string as the key, of the table at 'idx', which
** counts from the top and is negative. The fields of a protocol are looked up
** for every message: interning their names was a twelfth of it.
*/
LUA_API int welkin_rawgetname (lua_State *L, int idx, const void *name) {
  Table *t = hvalue(s2v(L->top.p + idx));
  lu_byte tag = luaH_getshortstr(t, (TString *)name, s2v(L->top.p));
  if (tagisempty(tag))
    setnilvalue(s2v(L->top.p));
  api_incr_top(L);
  return novariant(tag);
}
