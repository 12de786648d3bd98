"""Array types with shapes, such as Float[np.ndarray, "n c h w"], for modules that also run without jaxtyping."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Integer as Integer
    from jaxtyping import Shaped as Shaped
    from jaxtyping import UInt8 as UInt8
else:
    try:
        from jaxtyping import Bool, Float, Integer, Shaped, UInt8
    except ImportError:

        class _Plain:
            """The array type alone, whatever is said of its elements and shape."""

            def __class_getitem__(cls, array_and_shape):
                return array_and_shape[0]

        Bool = Float = Integer = Shaped = UInt8 = _Plain

__all__ = ["Bool", "Float", "Integer", "Shaped", "UInt8"]
