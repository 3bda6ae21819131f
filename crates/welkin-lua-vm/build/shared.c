/*
** Shared tables as a VM reads them (shared.h says what they are).
**
** What is found lies in the version's memory and is no value of the VM yet:
** `welkin_own` makes it one. That may take memory of the VM, and so raise, and
** a Lua function that is new to the VM is loaded by a call, which may move the
** stack.
*/

#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"
#include "lauxlib.h"

#include "lapi.h"
#include "ldebug.h"
#include "ldo.h"
#include "lgc.h"
#include "lobject.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "lvm.h"

#include "intern.h"
#include "shared.h"


static unsigned mix (lua_Unsigned n) {
  n *= UINT64_C(0x9e3779b97f4a7c15);
  return cast_uint(n >> 32);
}


/* of a key of a VM or of a shared table; the seed is the same for all VMs */
unsigned welkin_hashof (const TValue *key) {
  switch (ttypetag(key)) {
    case LUA_VSHRSTR: return tsvalue(key)->hash;
    case LUA_VLNGSTR: return luaS_hashlongstr(tsvalue(key));
    case LUA_VNUMINT: return mix(l_castS2U(ivalue(key)));
    case LUA_VFALSE: return 1;
    case LUA_VTRUE: return 2;
    case LUA_VLCL: return 3;  /* each VM has its own closure */
    default: return mix(l_castS2U(valraw(key).i));
  }
}


/* whether a node's key is this one */
static int samekey (const welkin_Node *n, const TValue *key) {
  if (n->key_tag != rawtt(key))
    return 0;
  switch (withvariant(n->key_tag)) {
    case LUA_VSHRSTR: {
      const TString *a = gco2ts(n->key.gc), *b = tsvalue(key);
      return a->shrlen == b->shrlen &&
             welkin_same(rawgetshrstr(a), rawgetshrstr(b), a->shrlen);
    }
    case LUA_VLNGSTR: return luaS_eqstr(gco2ts(n->key.gc), tsvalue(key));
    case LUA_VFALSE: case LUA_VTRUE: return 1;
    case LUA_VNUMFLT: return luai_numeq(n->key.n, fltvalue(key));
    default: return n->key.i == valraw(key).i;
  }
}


/* the number of the node with that key, or of an unused one; -1: no nodes */
static int find (const welkin_Shared *t, const TValue *key) {
  unsigned hash, i;
  if (t->nodes == 0)
    return -1;
  hash = welkin_hashof(key);
  for (i = hash & (t->nodes - 1); ; i = (i + 1) & (t->nodes - 1)) {
    const welkin_Node *n = &t->node[i];
    if (n->key_tag == LUA_VNIL ||
        (n->hash == hash && samekey(n, key)))
      return cast_int(i);
  }
}


/*
** The value at a key of another shared table, or at one of a VM that is no Lua
** function; 0: there is none.
*/
int welkin_sharedfind (const welkin_Shared *t, const TValue *key,
                       TValue *value) {
  TValue whole;
  int i;
  if (ttisfloat(key)) {
    lua_Integer n;
    if (luaV_flttointeger(fltvalue(key), &n, F2Ieq)) {
      setivalue(&whole, n);
      key = &whole;
    }
  }
  if (ttisinteger(key)) {
    lua_Unsigned place = l_castS2U(ivalue(key)) - 1u;
    if (place < t->items) {
      setraw(value, t->values[place], t->tags[place]);
      return 1;
    }
  }
  i = find(t, key);
  if (i < 0 || t->node[i].key_tag == LUA_VNIL)
    return 0;
  setraw(value, t->node[i].value, t->node[i].value_tag);
  return 1;
}


/*
** The entry at 'place' or behind it, as it lies there; gives the place to go on
** from, 0 at the end.
*/
unsigned welkin_sharedentry (const welkin_Shared *t, unsigned place,
                             TValue *key, TValue *value) {
  if (place < t->items) {
    setivalue(key, cast(lua_Integer, place) + 1);
    setraw(value, t->values[place], t->tags[place]);
    return place + 1;
  }
  for (; place - t->items < t->nodes; place++) {
    const welkin_Node *n = &t->node[place - t->items];
    if (n->key_tag != LUA_VNIL) {
      setraw(key, n->key, n->key_tag);
      setraw(value, n->value, n->value_tag);
      return place + 1;
    }
  }
  return 0;
}


/* the closures and metatables that this VM has for what is shared, by address */
static int cached (lua_State *L, const void *shared, TValue *o) {
  TValue key;
  setpvalue(&key, cast_voidp(shared));
  return !tagisempty(luaH_get(hvalue(&G(L)->l_registry), &key, o));
}


static const char *read_code (lua_State *L, void *ud, size_t *size) {
  const welkin_Function **f = (const welkin_Function **)ud;
  const welkin_Function *code = *f;
  UNUSED(L);
  *f = NULL;
  *size = code ? code->size : 0;
  return code ? code->code : NULL;
}


/* load_function(address): the VM's closure for a shared function */
static int load_function (lua_State *L) {
  const welkin_Function *code = (const welkin_Function *)lua_touserdata(L, 1);
  const welkin_Function *f = code;
  if (lua_load(L, read_code, &f, "=shared", "b") != LUA_OK)
    return lua_error(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, code);
  return 1;
}


static void own_function (lua_State *L, void *code, StkId res) {
  TValue o;
  if (!cached(L, code, &o)) {
    ptrdiff_t place = savestack(L, res);
    StkId func = L->top.p;
    setfvalue(s2v(func), load_function);  /* (EXTRA_STACK has room) */
    setpvalue(s2v(func + 1), code);
    L->top.p = func + 2;
    luaD_callnoyield(L, func, 1);
    L->top.p--;
    setobj(L, &o, s2v(L->top.p));
    res = restorestack(L, place);
  }
  setobj2s(L, res, &o);
}


/*
** Puts what a shared table holds at 'res', as a value of this VM. What is above
** the top of the stack is not kept: 'res' is a place that is, or the top.
*/
void welkin_own (lua_State *L, const TValue *o, StkId res) {
  switch (ttypetag(o)) {
    case LUA_VSHRSTR: {
      TString *from = tsvalue(o);
      size_t l = cast_sizet(from->shrlen);
      TString *ts = welkin_known(G(L), getshrstr(from), l, from->hash);
      if (ts == NULL)
        ts = welkin_newshort(L, getshrstr(from), l, from->hash);
      setsvalue2s(L, res, ts);
      break;
    }
    case LUA_VLCL: own_function(L, valraw(o).p, res); break;
    default: setobj2s(L, res, o); break;
  }
}


/*
** Reading in the middle of the interpreter, where nothing may be made: what is no
** value of the VM as it is, or a string that it has, goes the slow way.
*/

static inline lu_byte give (lua_State *L, const Value *value, lu_byte tag,
                            TValue *res) {
  if (tag == ctb(LUA_VSHRSTR)) {
    const TString *from = gco2ts(value->gc);
    TString *ts = welkin_known(G(L), getshrstr(from), cast_sizet(from->shrlen),
                               from->hash);
    if (l_unlikely(ts == NULL))
      return LUA_VNOTABLE;
    setsvalue(L, res, ts);
  }
  else if (l_unlikely(tag == LUA_VLCL))
    return LUA_VNOTABLE;
  else
    setraw(res, *value, tag);
  return tag;
}


lu_byte welkin_luaH_getshortstr (lua_State *L, const TValue *o,
                                 const TString *key, TValue *res) {
  const welkin_Shared *t = welkin_sharedvalue(o);
  unsigned i, mask = t->nodes - 1;
  if (t->nodes == 0)
    return LUA_VNIL;
  for (i = key->hash & mask; ; i = (i + 1) & mask) {
    const welkin_Node *n = &t->node[i];
    if (n->hash == key->hash && n->key_tag == ctb(LUA_VSHRSTR)) {
      const TString *ts = gco2ts(n->key.gc);
      if (ts->shrlen == key->shrlen &&
          welkin_same(rawgetshrstr(ts), rawgetshrstr(key), key->shrlen))
        return give(L, &n->value, n->value_tag, res);
    }
    else if (n->key_tag == LUA_VNIL)
      return LUA_VNIL;
  }
}


lu_byte welkin_luaH_getint (lua_State *L, const TValue *o, lua_Integer key,
                            TValue *res) {
  const welkin_Shared *t = welkin_sharedvalue(o);
  lua_Unsigned place = l_castS2U(key) - 1u;
  TValue k;
  if (l_likely(place < t->items))
    return give(L, &t->values[place], t->tags[place], res);
  setivalue(&k, key);
  return welkin_luaH_get(L, o, &k, res);
}


lu_byte welkin_luaH_getstr (lua_State *L, const TValue *o, TString *key,
                            TValue *res) {
  TValue k;
  if (strisshr(key))
    return welkin_luaH_getshortstr(L, o, key, res);
  setsvalue(L, &k, key);
  return welkin_luaH_get(L, o, &k, res);
}


lu_byte welkin_luaH_get (lua_State *L, const TValue *o, const TValue *key,
                         TValue *res) {
  TValue found;
  if (l_unlikely(ttypetag(key) == LUA_VLCL))
    return LUA_VNOTABLE;
  if (ttisnil(key) || !welkin_sharedfind(welkin_sharedvalue(o), key, &found))
    return LUA_VNIL;
  return give(L, &found.value_, rawtt(&found), res);
}


/*
** Where the entry is whose key is the function that this closure is of, plus 1;
** 0: it has none.
*/
static unsigned placeof_function (lua_State *L, const welkin_Shared *t,
                                  const TValue *closure, TValue *value) {
  unsigned place = t->items;
  TValue code, own;
  while ((place = welkin_sharedentry(t, place, &code, value)) != 0) {
    if (ttypetag(&code) == LUA_VLCL && cached(L, valraw(&code).p, &own)
        && gcvalue(&own) == gcvalue(closure))
      return place;
  }
  return 0;
}


/* as a look-up by a key of the VM */
static int lookup (lua_State *L, const welkin_Shared *t, const TValue *key,
                   TValue *value) {
  if (l_unlikely(ttypetag(key) == LUA_VLCL))
    return placeof_function(L, t, key, value) != 0;
  return !ttisnil(key) && welkin_sharedfind(t, key, value);
}


/* 't[key]' at 'res', without collecting garbage; its tag */
lu_byte welkin_sharedget (lua_State *L, const TValue *t, const TValue *key,
                          StkId res) {
  TValue o;
  if (!lookup(L, welkin_sharedvalue(t), key, &o)) {
    setnilvalue2s(res);
    return LUA_VNIL;
  }
  welkin_own(L, &o, res);
  return ttypetag(&o);
}


/*
** The same where garbage may be collected. Before the value is made: the caller
** holds it only when it gets it.
*/
lu_byte welkin_sharedindex (lua_State *L, const TValue *t, const TValue *key,
                            StkId res) {
  TValue o;
  if (!lookup(L, welkin_sharedvalue(t), key, &o)) {
    setnilvalue2s(res);
    return LUA_VNIL;
  }
  if (ttisshrstring(&o)) {
    ptrdiff_t place = savestack(L, res);
    luaC_checkGC(L);
    res = restorestack(L, place);
  }
  welkin_own(L, &o, res);
  return ttypetag(&o);
}


/* where the entry with that key is, plus 1; 0: it has none */
static unsigned placeof (lua_State *L, const welkin_Shared *t,
                         const TValue *key) {
  TValue k, value;
  int i;
  if (ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < t->items)
    return cast_uint(ivalue(key));
  if (ttypetag(key) == LUA_VLCL)
    return placeof_function(L, t, key, &value);
  if (ttisfloat(key)) {
    lua_Integer n;
    if (luaV_flttointeger(fltvalue(key), &n, F2Ieq)) {
      setivalue(&k, n);
      return placeof(L, t, &k);
    }
  }
  i = find(t, key);
  if (i < 0 || t->node[i].key_tag == LUA_VNIL)
    return 0;
  return t->items + cast_uint(i) + 1;
}


/* as luaH_next */
int welkin_sharednext (lua_State *L, const TValue *t, StkId key) {
  const welkin_Shared *s = welkin_sharedvalue(t);
  ptrdiff_t place = savestack(L, key);
  unsigned from = 0;
  TValue k, value;
  if (!ttisnil(s2v(key))) {
    from = placeof(L, s, s2v(key));
    if (l_unlikely(from == 0))
      luaG_runerror(L, "invalid key to 'next'");
  }
  if (welkin_sharedentry(s, from, &k, &value) == 0)
    return 0;
  welkin_own(L, &k, key);
  key = restorestack(L, place);
  welkin_own(L, &value, key + 1);
  return 1;
}


/*
** A shared table as a metatable: Lua's own functions look there for names of
** this VM, so what stands in its place is a table of the VM with the same
** entries. Programs do not get to see it: who asks for the metatable gets what
** was set.
*/

/* its address is the key under which a mirror has the shared table */
static const char origin_key = 0;


static void fill_mirror (lua_State *L, Table *mt, const welkin_Shared *t) {
  unsigned place = 0;
  TValue k, value;
  while ((place = welkin_sharedentry(t, place, &k, &value)) != 0) {
    luaD_checkstack(L, 4);
    welkin_own(L, &k, L->top.p);
    L->top.p++;
    welkin_own(L, &value, L->top.p);
    L->top.p++;
    luaH_set(L, mt, s2v(L->top.p - 2), s2v(L->top.p - 1));
    luaC_barrierback(L, obj2gco(mt), s2v(L->top.p - 2));
    luaC_barrierback(L, obj2gco(mt), s2v(L->top.p - 1));
    L->top.p -= 2;
  }
}


Table *welkin_mirror (lua_State *L, const TValue *t) {
  TValue found, key, origin;
  Table *mt, *registry = hvalue(&G(L)->l_registry);
  setobj(L, &origin, t);
  if (cached(L, gcvalue(&origin), &found))
    return hvalue(&found);
  luaD_checkstack(L, 4);
  mt = luaH_new(L);
  sethvalue2s(L, L->top.p, mt);
  L->top.p++;
  fill_mirror(L, mt, welkin_sharedvalue(&origin));
  setpvalue(&key, cast_voidp(&origin_key));
  luaH_set(L, mt, &key, &origin);
  l_setbit(mt->marked, WELKIN_MIRRORBIT);
  invalidateTMcache(mt);
  setpvalue(&key, gcvalue(&origin));
  luaH_set(L, registry, &key, s2v(L->top.p - 1));
  luaC_barrierback(L, obj2gco(registry), s2v(L->top.p - 1));
  L->top.p--;
  return mt;
}


/* the shared table that a mirror stands for */
void welkin_mirrored (lua_State *L, const Table *mt, TValue *o) {
  TValue key;
  UNUSED(L);
  setpvalue(&key, cast_voidp(&origin_key));
  luaH_get(cast(Table *, mt), &key, o);
}


/* pushes the root of a version, which must be kept until the VM is closed */
LUA_API void welkin_pushshared (lua_State *L, const welkin_Version *version) {
  setshared(s2v(L->top.p), version->root);
  api_incr_top(L);
}


/* whether the value at 'idx', a positive index, is a shared table */
LUA_API int welkin_isshared (lua_State *L, int idx) {
  StkId o = L->ci->func.p + idx;
  return o < L->top.p && ttisshared(s2v(o));
}
