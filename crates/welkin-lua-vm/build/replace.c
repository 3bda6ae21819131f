/*
** Puts a newer version in the place of older ones, everywhere in one VM.
**
** A program keeps shared tables where it likes: in tables, as keys, in locals of
** coroutines that sleep, in upvalues. So first it is found out which table of an
** old version stands at the same path as which of the new one, and then all
** objects of the VM are gone through, in the order in which the collector has
** them, and every stack from end to end. Nothing is followed: what is garbage
** already is changed too, which nobody sees.
**
** No garbage is collected meanwhile, not even for want of memory: it would
** change the lists that are gone through.
*/

#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"
#include "lauxlib.h"

#include "ldo.h"
#include "lfunc.h"
#include "lgc.h"
#include "lobject.h"
#include "lstate.h"
#include "ltable.h"

#include "shared.h"


/* an old table, and the one in its place; NULL: there is none */
typedef struct Pair {
  const welkin_Shared *old;
  welkin_Shared *now;
} Pair;


/*
** In the order in which the pairs were found; and the places where a look-up by
** address finds their numbers, plus 1.
*/
typedef struct Map {
  Pair *pairs;
  unsigned *places;
  unsigned count, mask;
} Map;


static unsigned *place_of (const Map *m, const void *old) {
  unsigned i = cast_uint(((size_t)old >> 4) * 0x9e3779b1u) & m->mask;
  while (m->places[i] != 0 && m->pairs[m->places[i] - 1].old != old)
    i = (i + 1) & m->mask;
  return &m->places[i];
}


static const Pair *lookup (const Map *m, const TValue *o) {
  unsigned *place = place_of(m, gcvalue(o));
  return *place == 0 ? NULL : &m->pairs[*place - 1];
}


/* the first path that leads to a table counts */
static void add (Map *m, const welkin_Shared *old, welkin_Shared *now) {
  unsigned *place = place_of(m, old);
  if (*place == 0) {
    m->pairs[m->count].old = old;
    m->pairs[m->count].now = now;
    *place = ++m->count;
  }
}


/* adds the tables below the pair with that number */
static void add_below (Map *m, unsigned number) {
  Pair pair = m->pairs[number];
  unsigned place = 0;
  TValue key, old, now;
  while ((place = welkin_sharedentry(pair.old, place, &key, &old)) != 0) {
    if (ttisshared(&old)) {
      int there = pair.now != NULL && ttypetag(&key) != LUA_VLCL &&
                  welkin_sharedfind(pair.now, &key, &now) && ttisshared(&now);
      add(m, welkin_sharedvalue(&old), there ? welkin_sharedvalue(&now) : NULL);
    }
  }
}


/* pushes what holds the map's memory */
static void make_map (lua_State *L, Map *m, welkin_Version **versions, int n) {
  size_t tables = 0, places = 4, bytes;
  int i;
  for (i = 0; i < n; i += 2)
    tables += versions[i]->tables;
  while (places < 2 * tables)
    places *= 2;
  bytes = tables * sizeof(Pair) + places * sizeof(unsigned);
  m->pairs = lua_newuserdatauv(L, bytes, 0);
  memset(m->pairs, 0, bytes);
  m->places = (unsigned *)(m->pairs + tables);
  m->mask = cast_uint(places - 1);
  m->count = 0;
  for (i = 0; i < n; i += 2) {
    unsigned next = m->count;
    add(m, versions[i]->root, versions[i + 1]->root);
    for (; next < m->count; next++)
      add_below(m, next);
  }
}


/* 1: nothing stands there any more */
static int swap (const Map *m, TValue *o) {
  const Pair *pair;
  if (!ttisshared(o) || (pair = lookup(m, o)) == NULL)
    return 0;
  if (pair->now == NULL)
    return 1;
  setshared(o, pair->now);
  return 0;
}


static void swap_or_nil (const Map *m, TValue *o) {
  if (swap(m, o))
    setnilvalue(o);
}


/* the metatable that takes the place of this one */
static Table *swap_metatable (lua_State *L, const Map *m, Table *mt) {
  TValue origin;
  if (mt == NULL || !testbit(mt->marked, WELKIN_MIRRORBIT))
    return mt;
  welkin_mirrored(L, mt, &origin);
  if (lookup(m, &origin) == NULL)
    return mt;
  return swap(m, &origin) ? NULL : welkin_mirror(L, &origin);
}


/* one key of the table; 0: none is left to change */
static int swap_key (lua_State *L, const Map *m, Table *t) {
  unsigned i;
  for (i = 0; i < sizenode(t); i++) {
    Node *n = gnode(t, i);
    TValue key, value;
    const Pair *pair;
    if (isempty(gval(n)) || keytt(n) != ctb(LUA_VSHARED))
      continue;
    getnodekey(L, &key, n);
    pair = lookup(m, &key);
    if (pair == NULL)
      continue;
    setobj(L, &value, gval(n));
    setempty(gval(n));
    if (pair->now != NULL) {
      setshared(&key, pair->now);
      luaH_set(L, t, &key, &value);  /* may move all nodes */
      luaC_barrierback(L, obj2gco(t), &value);
    }
    return 1;
  }
  return 0;
}


static void swap_in_table (lua_State *L, const Map *m, Table *t) {
  unsigned i;
  int keys = 0;
  Table *mt = swap_metatable(L, m, t->metatable);
  if (mt != t->metatable) {
    t->metatable = mt;
    if (mt != NULL)
      luaC_objbarrier(L, t, mt);
  }
  if (testbit(t->marked, WELKIN_MIRRORBIT))
    return;  /* it is what its shared table is */
  for (i = 0; i < t->asize; i++) {
    TValue o;
    if (*getArrTag(t, i) != ctb(LUA_VSHARED))
      continue;
    arr2obj(t, i, &o);
    if (swap(m, &o))
      *getArrTag(t, i) = LUA_VEMPTY;
    else
      obj2arr(t, i, &o);
  }
  for (i = 0; i < sizenode(t); i++) {
    Node *n = gnode(t, i);
    if (isempty(gval(n)))
      continue;
    keys |= keytt(n) == ctb(LUA_VSHARED);
    if (swap(m, gval(n)))
      setempty(gval(n));
  }
  while (keys && swap_key(L, m, t)) {}
}


static void swap_in_thread (const Map *m, lua_State *th) {
  StkId o = th->stack.p;
  if (o == NULL)
    return;  /* not made yet */
  for (; o < th->stack_last.p + EXTRA_STACK; o++)
    swap_or_nil(m, s2v(o));
}


static void swap_in_userdata (lua_State *L, const Map *m, Udata *u) {
  int i;
  Table *mt = swap_metatable(L, m, u->metatable);
  if (mt != u->metatable) {
    u->metatable = mt;
    if (mt != NULL)
      luaC_objbarrier(L, u, mt);
  }
  for (i = 0; i < u->nuvalue; i++)
    swap_or_nil(m, &u->uv[i].uv);
}


static void swap_in_list (lua_State *L, const Map *m, GCObject *o) {
  int i;
  for (; o != NULL; o = o->next) {
    switch (o->tt) {
      case LUA_VTABLE: swap_in_table(L, m, gco2t(o)); break;
      case LUA_VTHREAD: swap_in_thread(m, gco2th(o)); break;
      case LUA_VUSERDATA: swap_in_userdata(L, m, gco2u(o)); break;
      case LUA_VUPVAL:  /* an open one's value is on a stack */
        if (!upisopen(gco2upv(o)))
          swap_or_nil(m, &gco2upv(o)->u.value);
        break;
      case LUA_VCCL:
        for (i = 0; i < gco2ccl(o)->nupvalues; i++)
          swap_or_nil(m, &gco2ccl(o)->upvalue[i]);
        break;
      default: break;
    }
  }
}


static void swap_everywhere (lua_State *L, void *ud) {
  const Map *m = (const Map *)ud;
  global_State *g = G(L);
  int i;
  swap_in_list(L, m, g->allgc);
  swap_in_list(L, m, g->finobj);
  swap_in_list(L, m, g->tobefnz);
  swap_in_list(L, m, g->fixedgc);
  swap_in_thread(m, mainthread(g));
  for (i = 0; i < LUA_NUMTYPES; i++)
    g->mt[i] = swap_metatable(L, m, g->mt[i]);
}


/*
** For 'n' versions, each old one followed by the one that takes its place: puts
** the tables of the new ones where the VM has those of the old ones.
*/
LUA_API void welkin_replace (lua_State *L, welkin_Version **versions, int n) {
  global_State *g = G(L);
  lu_byte stopped = g->gcstopem;
  TStatus status;
  Map m;
  make_map(L, &m, versions, n);
  g->gcstopem = 1;
  status = luaD_rawrunprotected(L, swap_everywhere, &m);
  g->gcstopem = stopped;
  if (l_unlikely(status != LUA_OK))
    luaD_throw(L, status);
  lua_pop(L, 1);
}
