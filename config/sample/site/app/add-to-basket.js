'use client';

import { useState } from 'react';

export function AddToBasket({ name }) {
  const [count, setCount] = useState(0);
  return (
    <button type="button" aria-label={`Add ${name}`} onClick={() => setCount(count + 1)}>
      {count === 0 ? 'Add' : `In the basket: ${count}`}
    </button>
  );
}
