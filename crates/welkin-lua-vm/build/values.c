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

#include "intern.h"
#include "shared.h"

/* as in src/values.rs */
enum { NIL, FALSE_, TRUE_, INTEGER, FLOAT, TEXT, OTHER };

typedef struct welkin_Value {
  union { lua_Integer i; lua_Number n; const char *s; } u;
  size_t len;  /* of a text, in bytes */
  int kind;
  int type;  /* Lua's number for it */
} welkin_Value;


/* of ltable.c: the room of a table that has none (build/edits.rs) */
LUAI_FUNC void welkin_setnodevector (lua_State *L, Table *t, unsigned size);


/* a positive index of the running function */
#define at(L,idx)	s2v((L)->ci->func.p + (idx))


/* kinds by tag; those of what is no value are of an empty place */
static const lu_byte kinds[] = {
  [0 ... 0x3f] = OTHER,
  [LUA_VNIL] = NIL, [LUA_VEMPTY] = NIL, [LUA_VABSTKEY] = NIL,
  [LUA_VFALSE] = FALSE_, [LUA_VTRUE] = TRUE_,
  [LUA_VNUMINT] = INTEGER, [LUA_VNUMFLT] = FLOAT,
  [LUA_VSHRSTR] = TEXT, [LUA_VLNGSTR] = TEXT
};


/* the same of what a shared table holds, which is no value of this VM yet */
static void describe_shared (lua_State *L, const TValue *o,
                             welkin_Value *out) {
  out->type = ttype(o);
  out->kind = kinds[ttypetag(o)];
  out->u.i = valraw(o).i;
  if (out->kind == TEXT)
    out->u.s = getlstr(tsvalue(o), out->len);
  else if (out->kind == OTHER) {
    welkin_own(L, o, L->top.p);
    api_incr_top(L);
  }
}


static unsigned shared_entry (lua_State *L, const welkin_Shared *t,
                              unsigned place, welkin_Value *key,
                              welkin_Value *value) {
  TValue k, v;
  place = welkin_sharedentry(t, place, &k, &v);
  if (place != 0) {
    key->type = ttype(&k);
    key->kind = kinds[ttypetag(&k)];
    key->u.i = valraw(&k).i;
    if (key->kind == TEXT)
      key->u.s = getlstr(tsvalue(&k), key->len);
    describe_shared(L, &v, value);
  }
  return place;
}


/* false: a value that only the stack can hold */
static inline int describe (const TValue *o, welkin_Value *out) {
  int kind = kinds[ttypetag(o)];
  out->type = ttype(o);
  out->kind = kind;
  out->u.i = valraw(o).i;
  if (kind == TEXT)
    out->u.s = getlstr(tsvalue(o), out->len);
  else if (kind == OTHER) {
    if (ttisfulluserdata(o)) {
      out->u.s = getudatamem(uvalue(o));
      out->len = uvalue(o)->len;
    }
    return 0;
  }
  return 1;
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
  if (l_unlikely(t->tt == LUA_VSHARED))
    return shared_entry(L, (const welkin_Shared *)t, place, key, value);
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
  if (l_unlikely(t->tt == LUA_VSHARED)) {
    TValue key;
    setivalue(&key, n);
    if (!welkin_sharedfind((const welkin_Shared *)t, &key, &o))
      setnilvalue(&o);
    describe_shared(L, &o, value);
    return;
  }
  luaH_fastgeti(t, n, &o, tag);
  if (tagisempty(tag))
    setnilvalue(&o);
  describe_or_push(L, &o, value);
}


/* the argument at 'idx', a positive index, which stays where it is */
LUA_API void welkin_argument (lua_State *L, int idx, welkin_Value *out) {
  StkId o = L->ci->func.p + idx;
  if (o < L->top.p)
    describe(s2v(o), out);
  else {
    out->kind = NIL;
    out->type = LUA_TNONE;
  }
}


/* the bytes of the argument at 'idx', a positive index; NULL: no string */
LUA_API const char *welkin_text (lua_State *L, int idx, size_t *len) {
  StkId o = L->ci->func.p + idx;
  if (o < L->top.p && ttisstring(s2v(o)))
    return getlstr(tsvalue(s2v(o)), *len);
  return NULL;
}


/*
** 't[name]' with metamethods, of any value at 'idx'. Pushes it, and gives 1,
** if it is OTHER or if nobody else need hold it.
*/
LUA_API int welkin_field (lua_State *L, int idx, const void *name,
                          welkin_Value *value) {
  TString *key = (TString *)name;
  TValue *o = at(L, idx);
  if (l_likely(ttistable(o))) {
    Table *t = hvalue(o);
    TValue found;
    lu_byte tag = l_likely(strisshr(key)) ? luaH_getshortstr(t, key, &found)
                                          : luaH_getstr(t, key, &found);
    if (!tagisempty(tag))
      return describe_or_push(L, &found, value);
    if (t->metatable == NULL) {
      value->kind = NIL;
      value->type = LUA_TNIL;
      return 0;
    }
  }
  setsvalue2s(L, L->top.p, key);
  api_incr_top(L);
  lua_gettable(L, idx);
  describe(s2v(L->top.p - 1), value);
  return 1;
}


/*
** The light userdata 't[field][k]', where 't' is the first argument, 'field'
** the string that is upvalue 'n', and 'k' the second argument, a string; NULL
** if there is none.
*/
LUA_API void *welkin_remembered (lua_State *L, int n) {
  const TValue *field = &clCvalue(s2v(L->ci->func.p))->upvalue[n - 1];
  TValue inner, found;
  const TValue *t = at(L, 1), *k = at(L, 2);
  if (L->top.p - (L->ci->func.p + 1) < 2 || !ttistable(t) || !ttisstring(k))
    return NULL;
  if (tagisempty(luaH_getstr(hvalue(t), tsvalue(field), &inner)) ||
      !ttistable(&inner))
    return NULL;
  if (tagisempty(luaH_getstr(hvalue(&inner), tsvalue(k), &found)) ||
      !ttislightuserdata(&found))
    return NULL;
  return pvalue(&found);
}


/* pushes upvalue 'n' of the running function, a full userdata; its block */
LUA_API void *welkin_pushblock (lua_State *L, int n) {
  const TValue *o = &clCvalue(s2v(L->ci->func.p))->upvalue[n - 1];
  setobj2s(L, L->top.p, o);
  api_incr_top(L);
  return getudatamem(uvalue(o));
}


/*
** The same for the value at 'i' of the table that is upvalue 'n'; NULL, with
** nothing pushed, if it is no full userdata.
*/
LUA_API void *welkin_pushblockat (lua_State *L, int n, lua_Integer i) {
  const TValue *t = &clCvalue(s2v(L->ci->func.p))->upvalue[n - 1];
  TValue o;
  lu_byte tag;
  luaH_fastgeti(hvalue(t), i, &o, tag);
  if (tagisempty(tag) || !ttisfulluserdata(&o))
    return NULL;
  setobj2s(L, L->top.p, &o);
  api_incr_top(L);
  return getudatamem(uvalue(&o));
}


/* the tags of the kinds that are no more than a number */
static const lu_byte tags[] = {
  LUA_VNIL, LUA_VFALSE, LUA_VTRUE, LUA_VNUMINT, LUA_VNUMFLT
};

#define setplain(o,kind,bits) \
  { TValue *io = (o); io->value_.i = (bits); settt_(io, tags[kind]); }


/* the described value; one of kind OTHER is on top */
static void make (lua_State *L, const welkin_Value *value, TValue *o) {
  switch (value->kind) {
    case TEXT: {
      TString *ts = welkin_intern(L, value->u.s, value->len);
      setsvalue(L, o, ts);
      break;
    }
    case OTHER: setobj(L, o, s2v(L->top.p - 1)); break;
    default: setplain(o, value->kind, value->u.i); break;
  }
}


/*
** Pushes a new table with room for that many items and fields. An empty table
** needs none of what Lua does to resize one.
*/
LUA_API void welkin_newtable (lua_State *L, int items, int fields) {
  Table *t = luaH_new(L);
  sethvalue2s(L, L->top.p, t);
  api_incr_top(L);
  if (items > 0)
    luaH_resize(L, t, cast_uint(items), cast_uint(fields));
  else if (fields > 0)
    welkin_setnodevector(L, t, cast_uint(fields));
  luaC_checkGC(L);
}


static void put_barrier (lua_State *L, Table *t, const TValue *key,
                         const TValue *value) {
  if (l_unlikely(isblack(obj2gco(t)))) {
    luaC_barrierback(L, obj2gco(t), key);
    luaC_barrierback(L, obj2gco(t), value);
  }
}


/* for what may make room in the table, and so collect garbage */
static void put_slowly (lua_State *L, Table *t, const TValue *key,
                        TValue *value) {
  setobj2s(L, L->top.p, key);
  api_incr_top(L);
  setobj2s(L, L->top.p, value);
  api_incr_top(L);
  luaH_set(L, t, key, value);
  invalidateTMcache(t);
  put_barrier(L, t, key, value);
  L->top.p -= 2;
}


/* whether the node's key is a short string whose own node it is */
#define isathome(t,n) \
  (keyisshrstr(n) && gnode(t, lmod(keystrval(n)->hash, sizenode(t))) == (n))


/* nodes behind a taken one that are looked at */
#define NEAR	4

/*
** A node for a short string whose own one, 'home', another key has; NULL if
** there is none near, if keys would have to move, or if the string is a key.
*/
static Node *beside (Table *t, Node *home, const TString *name) {
  Node *last = home;
  int i;
  if (isempty(gval(home)) || !isathome(t, home))
    return NULL;
  while (!(keyisshrstr(last) && keystrval(last) == name)) {
    if (gnext(last) != 0) {
      last += gnext(last);
      continue;
    }
    for (i = 1; i <= NEAR; i++) {
      Node *n = gnode(t, lmod(cast_int(home - t->node) + i, sizenode(t)));
      if (keyisnil(n)) {
        gnext(last) = cast_int(n - last);
        return n;
      }
    }
    break;
  }
  return NULL;
}


/*
** 't[name] = value'. In a table that was made for its keys most find their
** place unused: then the key is not there, and nothing has to be looked for.
*/
static inline void put (lua_State *L, Table *t, TString *name,
                        TValue *value) {
  TValue key;
  setsvalue(L, &key, name);
  if (l_likely(strisshr(name) && !isdummy(t) && !ttisnil(value))) {
    Node *n = gnode(t, lmod(name->hash, sizenode(t)));
    if (keyisnil(n) || (n = beside(t, n, name)) != NULL) {
      setnodekey(n, &key);
      setobj2t(L, gval(n), value);
      invalidateTMcache(t);
      put_barrier(L, t, &key, value);
      return;
    }
  }
  put_slowly(L, t, &key, value);
}


/*
** 't[key] = value' without metamethods, of the table at 'idx': a value that is
** no more than a number.
*/
LUA_API void welkin_storeplain (lua_State *L, int idx, const char *key,
                                size_t len, int kind, lua_Integer bits) {
  TString *name = welkin_intern(L, key, len);
  TValue o;
  setplain(&o, kind, bits);
  put(L, hvalue(at(L, idx)), name, &o);
  luaC_checkGC(L);
}


/* the same for a text */
LUA_API void welkin_storetext (lua_State *L, int idx, const char *key,
                               size_t len, const char *s, size_t l) {
  TString *name = welkin_intern(L, key, len);
  TString *text;
  TValue o;
  setsvalue2s(L, L->top.p, name);  /* holds it while the value is made */
  api_incr_top(L);
  text = welkin_intern(L, s, l);
  L->top.p--;
  setsvalue(L, &o, text);
  put(L, hvalue(at(L, idx)), name, &o);
  luaC_checkGC(L);
}


/* the same for the value on top, which is popped */
LUA_API void welkin_storetop (lua_State *L, int idx, const char *key,
                              size_t len) {
  TString *name = welkin_intern(L, key, len);
  TValue o;
  setobj(L, &o, s2v(L->top.p - 1));
  put(L, hvalue(at(L, idx)), name, &o);
  L->top.p--;
  luaC_checkGC(L);
}


/* the same for 't[names[n]] = value', where the name is a string */
LUA_API void welkin_storenamed (lua_State *L, int idx, int names,
                                lua_Integer n, const welkin_Value *value) {
  TValue key, o;
  lu_byte tag;
  luaH_fastgeti(hvalue(at(L, names)), n, &key, tag);
  make(L, value, &o);
  put(L, hvalue(at(L, idx)), tsvalue(&key), &o);
  if (value->kind == OTHER)
    L->top.p--;
  luaC_checkGC(L);
}


/* the same for 't[name] = value' */
LUA_API void welkin_storefield (lua_State *L, int idx, const void *name,
                                const welkin_Value *value) {
  TValue o;
  make(L, value, &o);
  put(L, hvalue(at(L, idx)), (TString *)name, &o);
  if (value->kind == OTHER)
    L->top.p--;
  luaC_checkGC(L);
}


/* 't[n] = value', where the value may be new */
static inline void putitem (lua_State *L, Table *t, lua_Integer n, TValue *o) {
  lua_Unsigned place = l_castS2U(n) - 1u;
  if (l_likely(place < t->asize)) {
    obj2arr(t, cast_uint(place), o);
    luaC_barrierback(L, obj2gco(t), o);
  }
  else {
    TValue key;
    setivalue(&key, n);
    put_slowly(L, t, &key, o);
  }
}


/* beyond the room for items */
static void putplain (lua_State *L, Table *t, lua_Integer n, int kind,
                      lua_Integer bits) {
  TValue o;
  setplain(&o, kind, bits);
  putitem(L, t, n, &o);
  luaC_checkGC(L);
}


/* the same for 't[n] = value': one that is no more than a number */
LUA_API void welkin_itemplain (lua_State *L, int idx, lua_Integer n,
                               int kind, lua_Integer bits) {
  Table *t = hvalue(at(L, idx));
  lua_Unsigned place = l_castS2U(n) - 1u;
  if (l_likely(place < t->asize)) {  /* nothing is made */
    *getArrTag(t, place) = tags[kind];
    getArrVal(t, place)->i = bits;
  }
  else
    putplain(L, t, n, kind, bits);
}


/* a text */
LUA_API void welkin_itemtext (lua_State *L, int idx, lua_Integer n,
                              const char *s, size_t l) {
  TString *text = welkin_intern(L, s, l);
  TValue o;
  setsvalue(L, &o, text);
  putitem(L, hvalue(at(L, idx)), n, &o);
  luaC_checkGC(L);
}


/* the value on top, which is popped */
LUA_API void welkin_itemtop (lua_State *L, int idx, lua_Integer n) {
  TValue o;
  setobj(L, &o, s2v(L->top.p - 1));
  putitem(L, hvalue(at(L, idx)), n, &o);
  L->top.p--;
  luaC_checkGC(L);
}


/* as lua_pushlstring */
LUA_API void welkin_pushtext (lua_State *L, const char *s, size_t l) {
  TString *text = welkin_intern(L, s, l);
  setsvalue2s(L, L->top.p, text);
  api_incr_top(L);
  luaC_checkGC(L);
}


/*
** Pushes a new userdata of 'size' bytes and 'values' user values, whose
** metatable is upvalue 'n' of the running function, a table; its block.
*/
LUA_API void *welkin_newblock (lua_State *L, size_t size, int values, int n) {
  Table *metatable = hvalue(&clCvalue(s2v(L->ci->func.p))->upvalue[n - 1]);
  Udata *u = luaS_newudata(L, size, cast(unsigned short, values));
  u->metatable = metatable;
  setuvalue(L, s2v(L->top.p), u);
  api_incr_top(L);
  luaC_objbarrier(L, u, metatable);
  luaC_checkfinalizer(L, obj2gco(u), metatable);
  luaC_checkGC(L);
  return getudatamem(u);
}


/* what names the string on top for the functions here */
LUA_API const void *welkin_name (lua_State *L) {
  return (const void *)tsvalue(s2v(L->top.p - 1));
}


/* pushes the string of that name */
LUA_API void welkin_pushname (lua_State *L, const void *name) {
  setsvalue2s(L, L->top.p, (TString *)name);
  api_incr_top(L);
}


/*
** As lua_rawget with that string as the key, a short one, of the table at
** 'idx', which counts from the top and is negative. The fields of a protocol
** are looked up for every message: interning their names was a twelfth of it.
*/
LUA_API int welkin_rawgetname (lua_State *L, int idx, const void *name) {
  Table *t = hvalue(s2v(L->top.p + idx));
  lu_byte tag = luaH_getshortstr(t, (TString *)name, s2v(L->top.p));
  if (tagisempty(tag))
    setnilvalue(s2v(L->top.p));
  api_incr_top(L);
  return novariant(tag);
}
