import { AddToBasket } from './add-to-basket';

const goods = [
  { id: 'bread', name: 'Sourdough bread', price: 4.2 },
  { id: 'honey', name: 'Thyme honey', price: 8.9 },
  { id: 'oil', name: 'Olive oil, 1 l', price: 12.5 },
];

export default function Shop() {
  return (
    <>
      <h1>Open all night</h1>
      <ul className="shelf">
        {goods.map((item) => (
          <li key={item.id}>
            <h2>{item.name}</h2>
            <p>{item.price.toFixed(2)} €</p>
            <AddToBasket name={item.name} />
          </li>
        ))}
      </ul>
    </>
  );
}
